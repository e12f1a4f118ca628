/* -- Workbench: what all parts share: data, selection, card, keys --------------------------------- */

const SELECT_DELAY = 50; // ms; a burst of key presses makes one message to the server

/** What the user did to a workbench: outlives new data, and its DOM. By the element it is in. */
const MEMORIES = new WeakMap();
/** Workbenches that are mounted, by the element they are in. */
const MOUNTED = new WeakMap();

function newMemory() {
  return {
    views: {}, tabs: {}, sides: {}, files: {}, ratio: 0.5, card: null, maximised: null, // how it is laid out
    selected: null, toggled: new Set(), moment: null, runs: "both", // what it shows: the place, which an address can name
    command: undefined, toggles: 0,
  };
}

class Workbench {
  constructor(root, data, callbacks) {
    if (!MEMORIES.has(root)) MEMORIES.set(root, newMemory());
    this.root = root;
    this.memory = MEMORIES.get(root);
    this.data = data;
    this.language = languageOf(data);
    this.callbacks = callbacks;
    this.panes = new Map();
    this.t = (key, values = {}) => {
      const { labels } = this.data;
      const english = LABELS[key] ?? key.replace(/^\w+\./, "");
      return (labels?.[key] ?? labels?.[english] ?? english).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
    };
    this.sendSelected = debounce((ref) => this.callbacks.onSelect?.(ref), SELECT_DELAY);
    this.sendPlace = debounce(() => this.callbacks.onPlace?.(this.place()), SELECT_DELAY);
    this.build();
    this.update(data, callbacks);
  }

  build() {
    this.element = h("div", { class: "wb", lang: this.language.replace("_", "-"), role: "group", "aria-label": this.t("workbench") });
    this.style = h("style");
    this.sides = Object.fromEntries(SIDES.map((side) => [side, this.buildSide(side)]));
    this.splitter = this.buildSplitter();
    this.body = h("div", { class: "wb-body" }, this.sides.left.element, this.splitter, this.sides.right.element);
    this.card = new Card(this);
    this.cardSplitter = this.buildCardSplitter();
    this.notice = new Notice(this);
    this.tip = new Tip(this.element);
    this.help = new Help(this);
    this.timeline = new Timeline(this);
    this.live = h("div", { class: "wb-live", role: "status", "aria-live": "polite" });
    this.element.append(this.style, this.body, this.timeline.element, this.cardSplitter, this.card.element, this.tip.element, this.notice.element, this.live, this.help.element);
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("focusin", () => this.rememberGraph());
    this.root.append(this.element);
    this.resizes = new ResizeObserver(([{ contentRect }]) => this.fitTo(contentRect.width));
    this.resizes.observe(this.element);
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.onSystem = () => this.applyTheme();
    this.system.addEventListener("change", this.onSystem);
  }

  /** The page around may say below how many px of width the panes stand below each other, and that type is large. */
  fitTo(width) {
    const asked = (name) => parseFloat(getComputedStyle(this.element).getPropertyValue(name));
    this.element.classList.toggle("wb-narrow", width < (asked("--wb-narrow") || NARROW));
    const large = asked("--wb-large") > 0;
    this.element.classList.toggle("wb-large", large);
    this.element.classList.toggle("wb-tight", width < (large ? NARROW : TIGHT));
  }

  // -- data ------------------------------------------------------------------------------------

  /** Take new data. What has a `source` asks there for what is drawn; else the data holds it all. */
  update(data, callbacks) {
    this.callbacks = callbacks;
    if (data.source) this.connect(data);
    else {
      this.take(data);
      if (!this.obey(data)) this.drawSelection();
    }
  }

  /** Show data: drawings are kept where they did not change, and so is all the user did. */
  take(data) {
    this.data = data;
    this.indexes = new Map();
    this.style.textContent = data.css || "";
    this.element.style.height = data.height ? `${data.height}px` : "";
    this.element.classList.toggle("wb-fixed", !this.canToggle);
    this.applyTheme();
    this.updatePanes(data.panes || []);
    this.layOut();
    this.timeline.update();
  }

  get canToggle() {
    return Boolean(this.source || this.callbacks.onToggle);
  }

  updatePanes(given) {
    const specs = this.withMirror(given);
    const wanted = new Set(specs.map((spec) => spec.id));
    for (const [id, entry] of this.panes) if (!wanted.has(id)) this.dropPane(id, entry);
    for (const spec of specs) {
      if (!this.panes.has(spec.id)) this.panes.set(spec.id, this.newPane(spec));
      const entry = this.panes.get(spec.id);
      entry.side = this.memory.sides[spec.id] ?? (spec.side === "right" ? "right" : "left");
      entry.title.textContent = entry.title.title = spec.title; // in full on hovering: tabs shrink where room is scarce
      this.sides[entry.side].tabs.append(entry.tab);
      if (entry.panel.parentNode !== this.sides[entry.side].panels) this.sides[entry.side].panels.append(entry.panel);
      entry.pane.update(spec);
    }
  }

  newPane(spec) {
    const Kind = spec.findings ? FindingsPane : spec.lines || spec.files ? TextPane : spec.mirrors ? MirrorPane : GraphPane;
    const pane = new Kind(this, spec);
    const title = h("span", {}, spec.title);
    const tab = h("button", { type: "button", class: "wb-tab", role: "tab", "data-pane": spec.id,
      onclick: () => this.activate(spec.id) }, title, h("span", { class: "wb-dot" }));
    const panel = h("div", { class: "wb-panel", role: "tabpanel", "data-pane": spec.id, "aria-label": spec.title }, pane.element);
    return { pane, tab, title, panel };
  }

  dropPane(id, { pane, tab, panel }) {
    pane.destroy();
    tab.remove();
    panel.remove();
    this.panes.delete(id);
  }

  applyTheme() {
    this.element.dataset.theme = themeOf(this.element, this.data.theme);
  }

  item(pane, id) {
    return this.data.items?.[pane]?.[id];
  }

  /** The card of an item, if it has one. */
  cardOf(item) {
    return this.data.cards?.[item?.card];
  }

  // -- selection -------------------------------------------------------------------------------

  /** Ids of a pane's items by source line. */
  byLine(pane) {
    if (!this.indexes.has(pane)) {
      const found = new Map();
      for (const [id, { source }] of Object.entries(this.data.items?.[pane] || {})) {
        const key = source && lineKey(...source);
        if (key && !found.get(key)?.push(id)) found.set(key, [id]);
      }
      this.indexes.set(pane, found);
    }
    return this.indexes.get(pane);
  }

  /** Everything recorded on a source line: [{pane, id}]. */
  itemsOnLine(key) {
    return Object.keys(this.data.items || {}).flatMap((pane) =>
      (this.byLine(pane).get(key) || []).map((id) => ({ pane, id })));
  }

  /** Ids of a pane's items that have one of these runs among their `kind`, "ops" or "grads". */
  itemsWith(pane, kind, runs) {
    const items = Object.entries(this.data.items?.[pane] || {});
    return items.filter(([, item]) => runs.some((one) => overlap(flatRuns(item[kind]), flatRuns(one)))).map(([id]) => id);
  }

  /** What a reference stands for: {pane, id, ops, line, wholeLine}; null when it is not there. `ops` are runs,
   * those of each item on a whole line. */
  resolve(ref) {
    const parts = splitRef(ref);
    const pane = parts && this.panes.get(parts.pane)?.pane;
    if (!pane) return null;
    if (pane.isSource) {
      const here = this.itemsOnLine(parts.id);
      const known = here.length || pane.spec.files.some((file) => parts.id.startsWith(`${file.path}:`));
      return known ? { ...parts, ops: here.map((one) => this.item(one.pane, one.id).ops).filter((runs) => runs?.length), line: parts.id, wholeLine: true } : null;
    }
    const item = this.item(parts.pane, parts.id);
    if (!item && !pane.elementOf?.(parts.id)) return null;
    return { ...parts, ops: item?.ops?.length ? [item.ops] : [], line: item?.source ? lineKey(...item.source) : null, wholeLine: false };
  }

  /* Linked are items with a common op. Only where a pane has none, items of the same line stand in,
   * if either side has no ops to compare (a constant of the IR, a branch that did not run). */
  linkedIn(pane, chosen) {
    const ids = new Set(chosen.ops.length ? this.itemsWith(pane, "ops", chosen.ops) : []);
    if (chosen.line && (chosen.wholeLine || !ids.size)) {
      for (const id of this.byLine(pane).get(chosen.line) || []) {
        if (chosen.wholeLine || !chosen.ops.length || !this.item(pane, id).ops?.length) ids.add(id);
      }
    }
    return ids;
  }

  /** Source lines of a selection: its own, else those of what is linked to it. */
  linesOf(chosen, linked) {
    if (chosen.line) return new Set([chosen.line]);
    const sources = [...linked].flatMap(([pane, ids]) => [...ids].map((id) => this.item(pane, id)?.source));
    return new Set(sources.filter(Boolean).map((source) => lineKey(...source)));
  }

  /** Select an item, as a click or a key asks for. `origin` is the pane that was used: it stays still. */
  select(pane, id, { origin = null, tell = true } = {}) {
    const ref = `${pane}/${id}`;
    if (!this.resolve(ref)) return;
    this.memory.selected = ref;
    this.exact = null;
    const name = this.drawSelection({ origin, reveal: true });
    this.live.textContent = this.t("selected", { name });
    if (tell) this.tell();
  }

  /** Tell Python what is shown now. */
  tell() {
    if (this.source) this.sendPlace();
    else this.sendSelected(this.memory.selected);
  }

  /** Select what draws an op: itself, or the closed box around it. Whether there is such an item. */
  selectOp(op, options = {}) {
    return this.selectFirst(this.itemsWith("dynamic", "ops", [[op]]), "dynamic", `op:${op}`, options);
  }

  /** Select what draws an autograd node, likewise. */
  selectGrad(node, options = {}) {
    return this.selectFirst(this.itemsWith("backward", "grads", [[node]]), "backward", `grad:${node}`, options);
  }

  selectFirst(ids, pane, wanted, options) {
    const id = ids.includes(wanted) ? wanted : ids.find((one) => !/^(parameters|tensor|input|output):|@/.test(one)) ?? ids[0];
    if (id === undefined) return false;
    this.select(pane, id, options);
    if (id !== wanted) this.showExact(pane, wanted);
    return true;
  }

  /** Show the card of one that the selected item stands for: of equal trips drawn once, in a closed box. */
  async showExact(pane, id) {
    const exact = (this.exact = { ref: this.memory.selected, id });
    if (!this.can("card")) return;
    try {
      const { card } = await this.source.askLatest("card", "card", { pane, id });
      if (this.exact === exact) this.card.show((exact.card = card));
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error);
    }
  }

  clear({ tell = true } = {}) {
    if (this.memory.selected === null) return;
    this.memory.selected = null;
    this.drawSelection();
    this.live.textContent = this.t("cleared");
    if (tell) this.tell();
  }

  /** Draw the card and the marks of the selection; with `reveal`, move the other panes to it. */
  drawSelection({ origin = null, reveal = false } = {}) {
    const chosen = this.resolve(this.memory.selected);
    const linked = new Map();
    if (chosen) for (const pane of Object.keys(this.data.items || {})) linked.set(pane, this.linkedIn(pane, chosen));
    if (chosen) linked.get(chosen.pane)?.clear();
    const name = this.drawCard(chosen);
    const lines = chosen ? this.linesOf(chosen, linked) : new Set();
    for (const { pane } of this.panes.values()) {
      const marks = this.marksFor(pane, chosen, linked, lines);
      pane.setMarks(marks);
      const shown = marks.selected !== null ? [marks.selected] : [...marks.linked];
      if (reveal && pane.id !== origin && shown.length) pane.reveal(shown);
    }
    this.paintDots();
    return name;
  }

  marksFor(pane, chosen, linked, lines) {
    if (pane.isSource) return { selected: chosen?.line ?? null, linked: lines };
    const of = pane instanceof TextPane ? pane.spec.of || "static" : pane.id;
    return { selected: chosen?.pane === of ? chosen.id : null, linked: linked.get(of) || new Set() };
  }

  paintDots() {
    for (const { pane, tab, panel } of this.panes.values()) {
      const on = panel.hidden && (pane.marks.linked.size > 0 || pane.marks.selected !== null);
      tab.classList.toggle("wb-linked", on);
      tab.title = on ? this.t("linked") : "";
    }
  }

  /** Draw the card of what is chosen, or the empty one. Returns the name of it. */
  drawCard(chosen) {
    if (!chosen) return this.card.clear();
    if (chosen.wholeLine) return this.drawLineCard(chosen);
    const item = this.item(chosen.pane, chosen.id) || {};
    const { pane } = this.panes.get(chosen.pane);
    const exact = this.exact?.ref === this.memory.selected ? this.exact.card : null;
    const card = exact || this.cardOf(item) || { title: pane.nameOf?.(chosen.id) ?? chosen.id };
    this.card.show(card);
    return card.title;
  }

  drawLineCard({ id }) {
    const at = id.lastIndexOf(":");
    const [path, line] = [id.slice(0, at), Number(id.slice(at + 1))];
    const files = (this.data.panes || []).flatMap((spec) => spec.files || []);
    const file = files.find((one) => one.path === path);
    const title = `${file?.name ?? path}:${line}`;
    const hits = file?.hits?.[line] || 0;
    const related = this.itemsOnLine(id).slice(0, 200).map((one) => ({ ...one, name: this.nameOf(one), title: this.titleOf(one.pane) }));
    const text = file?.lines[line - (file.first || 1)];
    this.card.show({ title, kind: this.t("source"), subtitle: text?.trim(), rows: [[this.t("ran"), hits ? `${hits}×` : "–"]] }, related);
    return title;
  }

  nameOf({ pane, id }) {
    return this.cardOf(this.item(pane, id))?.title ?? this.panes.get(pane)?.pane.nameOf?.(id) ?? id;
  }

  titleOf(pane) {
    return (this.data.panes || []).find((spec) => spec.id === pane)?.title ?? pane;
  }

  openSource({ path, line }) {
    for (const [id, { pane }] of this.panes) {
      if (!pane.isSource) continue;
      this.activate(id);
      pane.reveal([lineKey(path, line)]);
    }
  }

  /* Python's commands are numbered: what was obeyed once is an echo from then on, and must not undo
   * what the user clicked since. Returns whether there was a new one. */
  obey({ selected = null, selected_seq: number = null }) {
    const command = number ?? selected;
    const first = this.memory.command === undefined;
    if (command === this.memory.command || (first && selected === null)) {
      this.memory.command = command;
      return false;
    }
    this.memory.command = command;
    this.sendSelected.cancel();
    if (selected === null) this.clear({ tell: false });
    else {
      const pane = splitRef(selected)?.pane;
      if (this.resolve(selected)) this.activate(pane);
      this.memory.selected = selected;
      this.drawSelection({ reveal: true });
    }
    return true;
  }

  toggle(pane, id) {
    if (this.source) return this.toggleBox(id);
    this.memory.toggles += 1;
    return this.callbacks.onToggle?.({ pane, id, n: this.memory.toggles });
  }

  // -- tooltip and keys ------------------------------------------------------------------------

  showTip(pane, id, event) {
    const card = this.cardOf(this.item(pane.id, id));
    this.tip.show(card?.title || pane.nameOf(id), card, event, this.t);
  }

  hideTip() {
    this.tip?.hide();
  }

  /** The graph pane that was used last, else one that is shown. */
  graph() {
    const shown = [...this.panes.values()].filter(({ pane }) => pane instanceof GraphPane && pane.visible());
    return (shown.find(({ pane }) => pane === this.lastGraph) || shown[0])?.pane ?? null;
  }

  rememberGraph() {
    const active = this.element.getRootNode().activeElement;
    for (const { pane, panel } of this.panes.values()) if (pane instanceof GraphPane && panel.contains(active)) this.lastGraph = pane;
  }

  /* Streamlit listens on the page for single keys (R reruns, C clears the cache) and, because of the
   * shadow root, cannot see that they were typed into our search box: they stop here. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    if (event.defaultPrevented) return;
    const typing = /^(input|select|textarea)$/.test(event.target.localName);
    if (event.key === "Escape") this.escape();
    else if (typing || !this.shortcut(event.key)) return;
    event.preventDefault();
  }

  /** Act on a key that means the same everywhere; whether there is such a key. */
  shortcut(key) {
    const actions = {
      "?": () => (this.help.open ? this.help.close() : this.help.show()),
      "/": () => this.graph()?.search.input.focus(),
      n: () => this.graph()?.search.step(1),
      N: () => this.graph()?.search.step(-1),
      p: () => this.graph()?.trace.toggle("up"),
      c: () => this.graph()?.trace.toggle("down"),
      o: () => this.graph()?.minimap.toggle(),
      h: () => this.graph()?.heat.step(1),
      H: () => this.graph()?.heat.step(-1),
      v: () => this.graph()?.runs.step(1),
      V: () => this.graph()?.runs.step(-1),
      s: () => this.graph()?.relations.toggle(),
      m: () => this.maximise(this.sideInUse()),
      x: () => this.movePane(this.sideInUse()),
      b: () => this.present(),
      ...this.timeline.keys(),
    };
    if (this.help.open && key !== "?") return false;
    actions[key]?.();
    return key in actions;
  }

  sideInUse() {
    const active = this.element.getRootNode().activeElement;
    return active?.closest?.(".wb-side")?.dataset.side ?? "left";
  }

  escape() {
    if (this.help.open) this.help.close();
    else if (this.presenting) this.present();
    else if (this.memory.maximised) this.maximise(this.memory.maximised);
    else if (this.graph()?.trace.direction) this.graph().trace.clear();
    else if (this.memory.selected !== null) this.clear();
    else this.source?.leave?.();
  }

  destroy() {
    this.sendSelected.cancel();
    this.sendPlace.cancel();
    this.timeline.destroy();
    this.source?.close();
    this.resizes.disconnect();
    this.system.removeEventListener("change", this.onSystem);
    for (const { pane } of this.panes.values()) pane.destroy();
    this.element.remove();
  }
}

