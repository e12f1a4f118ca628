/* -- Workbench: layout, tabs, selection, and the two entry points -------------------------------- */

const NARROW = 900; // px; below it the panes stand below each other
const SIDES = ["left", "right"];
const RATIO = { low: 0.2, high: 0.8, step: 0.02 };
const SELECT_DELAY = 50; // ms; a burst of key presses makes one message to the server

/** What the user did to a workbench: outlives new data, and its DOM. By the element it is in. */
const MEMORIES = new WeakMap();
/** Workbenches that are mounted, by the element they are in. */
const MOUNTED = new WeakMap();

function newMemory() {
  return { views: {}, tabs: {}, files: {}, ratio: 0.5, maximised: null, selected: null, command: undefined, toggles: 0 };
}

class Workbench {
  constructor(root, data, callbacks) {
    if (!MEMORIES.has(root)) MEMORIES.set(root, newMemory());
    this.root = root;
    this.memory = MEMORIES.get(root);
    this.data = data;
    this.callbacks = callbacks;
    this.panes = new Map();
    this.t = (key, values = {}) =>
      (this.data.labels?.[key] ?? LABELS[key] ?? key.replace(/^\w+\./, "")).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
    this.build();
    this.sendSelected = debounce((ref) => this.callbacks.onSelect?.(ref), SELECT_DELAY);
    this.update(data, callbacks);
  }

  build() {
    this.element = h("div", { class: "wb", role: "group", "aria-label": this.t("workbench") });
    this.style = h("style");
    this.sides = Object.fromEntries(SIDES.map((side) => [side, this.buildSide(side)]));
    this.splitter = this.buildSplitter();
    this.body = h("div", { class: "wb-body" }, this.sides.left.element, this.splitter, this.sides.right.element);
    this.card = new Card(this);
    this.tip = new Tip(this.element);
    this.help = new Help(this);
    this.live = h("div", { class: "wb-live", role: "status", "aria-live": "polite" });
    this.element.append(this.style, this.body, this.card.element, this.tip.element, this.live, this.help.element);
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("focusin", () => this.rememberGraph());
    this.root.append(this.element);
    this.resizes = new ResizeObserver(([{ contentRect }]) => this.element.classList.toggle("wb-narrow", contentRect.width < NARROW));
    this.resizes.observe(this.element);
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.onSystem = () => this.applyTheme();
    this.system.addEventListener("change", this.onSystem);
  }

  buildSide(side) {
    const tabs = h("div", { class: "wb-tabs", role: "tablist", onkeydown: (event) => this.tabKey(event, side) });
    const maximise = button("⤢", this.t("maximise"), () => this.maximise(side), { class: "wb-button wb-maximise" });
    const help = side === "right" && button("?", this.t("help"), () => this.help.show());
    const panels = h("div", { class: "wb-panels" });
    const element = h("section", { class: "wb-side", "data-side": side }, h("div", { class: "wb-head" }, tabs, maximise, help), panels);
    return { element, tabs, panels, maximise };
  }

  // -- data ------------------------------------------------------------------------------------

  /** Take new data: drawings are kept where they did not change, and so is all the user did. */
  update(data, callbacks) {
    this.data = data;
    this.callbacks = callbacks;
    this.indexes = new Map();
    this.style.textContent = data.css || "";
    this.element.style.height = data.height ? `${data.height}px` : "";
    this.element.classList.toggle("wb-fixed", !callbacks.onToggle);
    this.applyTheme();
    this.updatePanes(data.panes || []);
    this.layOut();
    const commanded = this.obey(data);
    if (!commanded) this.drawSelection();
  }

  updatePanes(specs) {
    const wanted = new Set(specs.map((spec) => spec.id));
    for (const [id, entry] of this.panes) if (!wanted.has(id)) this.dropPane(id, entry);
    for (const spec of specs) {
      if (!this.panes.has(spec.id)) this.panes.set(spec.id, this.newPane(spec));
      const entry = this.panes.get(spec.id);
      entry.side = spec.side === "right" ? "right" : "left";
      entry.title.textContent = spec.title;
      this.sides[entry.side].tabs.append(entry.tab);
      if (entry.panel.parentNode !== this.sides[entry.side].panels) this.sides[entry.side].panels.append(entry.panel);
      entry.pane.update(spec);
    }
  }

  newPane(spec) {
    const pane = spec.lines || spec.files ? new TextPane(this, spec) : new GraphPane(this, spec);
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

  // -- layout ----------------------------------------------------------------------------------

  panesOf(side) {
    return [...this.panes].filter(([, entry]) => entry.side === side).map(([id]) => id);
  }

  layOut() {
    const { memory } = this;
    const filled = SIDES.filter((side) => this.panesOf(side).length);
    const alone = filled.length === 1 ? filled[0] : memory.maximised;
    for (const side of SIDES) {
      const { element, maximise } = this.sides[side];
      element.hidden = alone ? side !== alone : false;
      maximise.hidden = filled.length < 2;
      const label = this.t(memory.maximised === side ? "restore" : "maximise");
      maximise.title = label;
      maximise.setAttribute("aria-label", label);
      maximise.setAttribute("aria-pressed", String(memory.maximised === side));
      const ids = this.panesOf(side);
      const shown = ids.includes(memory.tabs[side]) ? memory.tabs[side] : ids[0];
      for (const id of ids) this.showTab(this.panes.get(id), id === shown);
    }
    this.splitter.hidden = Boolean(alone);
    this.applyRatio();
    for (const { pane } of this.panes.values()) pane.resized();
  }

  showTab({ tab, panel }, on) {
    panel.hidden = !on;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
  }

  /** Bring a pane's tab to the front. */
  activate(id, { focus = false } = {}) {
    const entry = this.panes.get(id);
    if (!entry) return;
    this.memory.tabs[entry.side] = id;
    if (this.memory.maximised && this.memory.maximised !== entry.side) this.memory.maximised = null;
    this.layOut();
    this.paintDots();
    if (focus) entry.tab.focus();
  }

  tabKey(event, side) {
    const ids = this.panesOf(side);
    const at = ids.indexOf(event.target.closest("[data-pane]")?.dataset.pane);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: ids.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    this.activate(ids[(to + ids.length) % ids.length], { focus: true });
  }

  maximise(side) {
    this.memory.maximised = this.memory.maximised === side ? null : side;
    this.layOut();
  }

  buildSplitter() {
    const splitter = h("div", { class: "wb-splitter", role: "separator", tabindex: "0", "aria-orientation": "vertical",
      "aria-label": this.t("splitter"), "aria-valuemin": RATIO.low * 100, "aria-valuemax": RATIO.high * 100 });
    splitter.addEventListener("pointerdown", (event) => {
      splitter.setPointerCapture(event.pointerId);
      event.preventDefault(); // no text is selected while dragging
      splitter.focus({ preventScroll: true });
    });
    splitter.addEventListener("pointermove", (event) => {
      if (!splitter.hasPointerCapture(event.pointerId)) return;
      const { left, width } = this.body.getBoundingClientRect();
      this.setRatio((event.clientX - left) / width);
    });
    splitter.addEventListener("dblclick", () => this.setRatio(0.5));
    splitter.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: this.memory.ratio - RATIO.step, ArrowRight: this.memory.ratio + RATIO.step, Home: RATIO.low, End: RATIO.high }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.setRatio(to);
    });
    return splitter;
  }

  setRatio(ratio) {
    this.memory.ratio = clamp(ratio, RATIO.low, RATIO.high);
    this.applyRatio();
  }

  applyRatio() {
    const { ratio } = this.memory;
    const alone = this.splitter.hidden;
    this.body.style.gridTemplateColumns = alone ? "minmax(0, 1fr)" : `minmax(0, ${ratio}fr) auto minmax(0, ${1 - ratio}fr)`;
    this.splitter.setAttribute("aria-valuenow", String(Math.round(ratio * 100)));
  }

  // -- selection -------------------------------------------------------------------------------

  /** Items of a pane by op and by source line: {byOp, byLine}, each key -> ids. */
  index(pane) {
    if (!this.indexes.has(pane)) {
      const byOp = new Map();
      const byLine = new Map();
      const add = (map, key, id) => (map.has(key) ? map.get(key).push(id) : map.set(key, [id]));
      for (const [id, item] of Object.entries(this.data.items?.[pane] || {})) {
        for (const op of item.ops || []) add(byOp, op, id);
        if (item.source) add(byLine, lineKey(...item.source), id);
      }
      this.indexes.set(pane, { byOp, byLine });
    }
    return this.indexes.get(pane);
  }

  /** Everything recorded on a source line: [{pane, id}]. */
  itemsOnLine(key) {
    return Object.keys(this.data.items || {}).flatMap((pane) =>
      (this.index(pane).byLine.get(key) || []).map((id) => ({ pane, id })));
  }

  /** What a reference stands for: {pane, id, ops, line, wholeLine}; null when it is not there. */
  resolve(ref) {
    const parts = splitRef(ref);
    const pane = parts && this.panes.get(parts.pane)?.pane;
    if (!pane) return null;
    if (pane.isSource) {
      const here = this.itemsOnLine(parts.id);
      const known = here.length || pane.spec.files.some((file) => parts.id.startsWith(`${file.path}:`));
      return known ? { ...parts, ops: here.flatMap((one) => this.item(one.pane, one.id).ops || []), line: parts.id, wholeLine: true } : null;
    }
    const item = this.item(parts.pane, parts.id);
    if (!item && !pane.elementOf?.(parts.id)) return null;
    return { ...parts, ops: item?.ops || [], line: item?.source ? lineKey(...item.source) : null, wholeLine: false };
  }

  /* Linked are items with a common op. Only where a pane has none, items of the same line stand in,
   * if either side has no ops to compare (a constant of the IR, a branch that did not run). */
  linkedIn(pane, chosen) {
    const { byOp, byLine } = this.index(pane);
    const ids = new Set(chosen.ops.flatMap((op) => byOp.get(op) || []));
    if (chosen.line && (chosen.wholeLine || !ids.size)) {
      for (const id of byLine.get(chosen.line) || []) {
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
    const name = this.drawSelection({ origin, reveal: true });
    this.live.textContent = this.t("selected", { name });
    if (tell) this.sendSelected(ref);
  }

  clear({ tell = true } = {}) {
    if (this.memory.selected === null) return;
    this.memory.selected = null;
    this.drawSelection();
    this.live.textContent = this.t("cleared");
    if (tell) this.sendSelected(null);
  }

  /** Draw the card and the marks of the selection; with `reveal`, move the other panes to it. */
  drawSelection({ origin = null, reveal = false } = {}) {
    const chosen = this.resolve(this.memory.selected);
    const linked = new Map();
    if (chosen) for (const pane of Object.keys(this.data.items || {})) linked.set(pane, this.linkedIn(pane, chosen));
    if (chosen) linked.get(chosen.pane)?.clear();
    const name = this.drawCard(chosen);
    const lines = chosen ? this.linesOf(chosen, linked) : new Set();
    for (const [id, { pane }] of this.panes) {
      const marks = this.marksFor(id, pane, chosen, linked, lines);
      pane.setMarks(marks);
      const shown = marks.selected !== null ? [marks.selected] : [...marks.linked];
      if (reveal && id !== origin && shown.length) pane.reveal(shown);
    }
    this.paintDots();
    return name;
  }

  marksFor(id, pane, chosen, linked, lines) {
    if (pane.isSource) return { selected: chosen?.line ?? null, linked: lines };
    const of = pane instanceof TextPane ? pane.spec.of || "static" : id;
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
    const card = this.cardOf(item) || { title: pane.nameOf?.(chosen.id) ?? chosen.id };
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
    this.memory.toggles += 1;
    this.callbacks.onToggle?.({ pane, id, n: this.memory.toggles });
  }

  // -- tooltip and keys ------------------------------------------------------------------------

  showTip(pane, id, event) {
    const card = this.cardOf(this.item(pane.id, id));
    const output = card?.tensors?.find((tensor) => tensor.role === "output") || card?.tensors?.[0];
    const detail = output ? [output.shape, output.dtype].filter(Boolean).join("  ") : "";
    this.tip.show(card?.title || pane.nameOf(id), detail, event);
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
      m: () => this.maximise(this.sideInUse()),
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
    else if (this.memory.maximised) this.maximise(this.memory.maximised);
    else this.clear();
  }

  destroy() {
    this.sendSelected.cancel();
    this.resizes.disconnect();
    this.system.removeEventListener("change", this.onSystem);
    for (const { pane } of this.panes.values()) pane.destroy();
    this.element.remove();
  }
}

/**
 * Draw a workbench in `root` (an element or a shadow root), or give new data to the one there.
 *
 * `callbacks.onSelect(ref)` hears of a selection ("dynamic/op:3", or null), about 50 ms after it is
 * drawn; `callbacks.onToggle({pane, id, n})` of a box to open or close (without it, boxes cannot be
 * toggled). The stylesheet workbench.css must apply to `root`. Returns a function that removes the
 * workbench; what the user did (tabs, pan and zoom, selection) is remembered for the same `root`.
 */
export function mountWorkbench(root, data, callbacks = {}) {
  if (MOUNTED.has(root)) MOUNTED.get(root).update(data, callbacks);
  else MOUNTED.set(root, new Workbench(root, data, callbacks));
  const mounted = MOUNTED.get(root);
  return () => {
    if (MOUNTED.get(root) === mounted) MOUNTED.delete(root);
    mounted.destroy();
  };
}

/** Entry point of Streamlit's components v2: called again, with the same parent, on every change of data. */
export default function streamlitWorkbench({ data, parentElement, setStateValue, setTriggerValue }) {
  return mountWorkbench(parentElement, data || {}, {
    onSelect: (ref) => setStateValue("selected", ref),
    onToggle: (toggle) => setTriggerValue("toggle", toggle),
  });
}
