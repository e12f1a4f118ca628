/* -- how a workbench is laid out: sides, tabs, dividers, presentation ------------------------------ */

const NARROW = 900; // px; below it the panes stand below each other
const TIGHT = 700; // px; below it the heads of two panes side by side have two rows
const SIDES = ["left", "right"];
const RATIO = { low: 0.2, high: 0.8, step: 0.02 };
const CARD = { low: 60, step: 20, room: 260 }; // px; the panes keep `room` above the card

Object.assign(LABELS, {
  cardSplitter: "Height of the card", more: "More: save, move, present", move: "Move to the other side (X)",
  present: "Present (B)", presentEnd: "End the presentation (B)", saveAs: "Save as {kind}", saving: "Saving …",
  "help.move": "X | move the pane to the other side: any two can stand side by side",
  "help.present": "B | present: full screen with large type; B or Esc ends it",
});
HELP_ROWS.splice(-2, 0,
  "help.move",
  "help.present");

extend(Workbench, {
  buildSide(side) {
    const tabs = h("div", { class: "wb-tabs", role: "tablist", onkeydown: (event) => this.tabKey(event, side) });
    const maximise = button("⤢", this.t("maximise"), () => this.maximise(side), { class: "wb-button wb-maximise" });
    const help = side === "right" && button("?", this.t("help"), () => this.help.show());
    const panels = h("div", { class: "wb-panels" });
    const element = h("section", { class: "wb-side", "data-side": side },
      h("div", { class: "wb-head" }, tabs, this.buildMenu(side), maximise, help), panels);
    return { element, tabs, panels, maximise };
  },

  /** What is seldom wanted: save the picture, move the pane, present. Filled when it is opened. */
  buildMenu(side) {
    const list = h("div", { class: "wb-menu", role: "menu", onkeydown: (event) => this.menuKey(event) });
    const label = this.t("more");
    const menu = h("details", { class: "wb-more" },
      h("summary", { class: "wb-button", title: label, "aria-label": label }, "⋯"), list);
    menu.addEventListener("toggle", () => menu.open && this.fillMenu(side, menu, list));
    menu.addEventListener("focusout", (event) => menu.contains(event.relatedTarget) || (menu.open = false));
    return menu;
  },

  fillMenu(side, menu, list) {
    const id = this.shownPane(side);
    const entry = (text, action) => h("button", { type: "button", role: "menuitem", class: "wb-entry",
      onclick: () => { menu.open = false; action(); } }, text);
    const { pane } = this.panes.get(id) ?? {};
    const kinds = pane?.svg ? ["svg", "png", ...(this.can("file") && !pane.isMirror ? ["pdf", "dot"] : [])] : [];
    list.replaceChildren(
      ...kinds.map((kind) => entry(this.t("saveAs", { kind: kind.toUpperCase() }), () => this.save(id, kind))),
      entry(this.t("move"), () => this.movePane(side)),
      entry(this.t(this.presenting ? "presentEnd" : "present"), () => this.present()));
    list.firstChild.focus();
  },

  menuKey(event) {
    const entries = [...event.currentTarget.children];
    const at = entries.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (event.key === "Escape") {
      const menu = event.currentTarget.parentNode;
      menu.open = false;
      menu.firstChild.focus();
    } else if (to !== undefined) entries[(to + entries.length) % entries.length].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  },

  /** SVG and PNG show what is seen, and need no server; PDF and DOT come from there. */
  async save(pane, kind) {
    this.notice.busy(this.t("saving"));
    try {
      const graph = this.panes.get(pane).pane;
      const said = kind === "svg" || kind === "png" ? await savePicture(graph, kind)
        : await this.source.save({ pane, kind, toggled: [...this.memory.toggled], theme: this.element.dataset.theme });
      this.notice.hide();
      if (said) sayFor(this.notice, said);
    } catch (error) {
      this.notice.fail(error.message);
    }
  },

  shownPane(side) {
    const ids = this.panesOf(side);
    return ids.includes(this.memory.tabs[side]) ? this.memory.tabs[side] : ids[0];
  },

  /** Move the pane on top of a side to the other one, so that any two can stand side by side. */
  movePane(side) {
    const id = this.shownPane(side);
    const other = SIDES.find((one) => one !== side);
    if (!id || this.panesOf(side).length < 2) return;
    this.memory.sides[id] = other;
    this.memory.tabs[other] = id;
    this.updatePanes(this.data.panes || []);
    this.layOut();
    this.paintDots();
    this.tell();
  },

  get presenting() {
    return this.element.classList.contains("wb-present");
  },

  /* The whole workbench over the whole screen, with larger type. Where the browser does not allow full
   * screen (a notebook, an embedded page), it fills the page. */
  async present() {
    const on = !this.presenting;
    this.element.classList.toggle("wb-present", on);
    if (on) {
      this.onFullscreen ??= () => document.fullscreenElement || this.endPresenting();
      document.addEventListener("fullscreenchange", this.onFullscreen);
      this.element.tabIndex = -1; // so that keys come here
      this.element.focus({ preventScroll: true });
      await this.element.requestFullscreen?.().catch(() => {});
    } else this.endPresenting();
    for (const { pane } of this.panes.values()) pane.resized();
  },

  endPresenting() {
    document.removeEventListener("fullscreenchange", this.onFullscreen);
    this.element.classList.remove("wb-present");
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {}); // the browser may have ended it
    for (const { pane } of this.panes.values()) pane.resized();
  },

  panesOf(side) {
    return [...this.panes].filter(([, entry]) => entry.side === side).map(([id]) => id);
  },

  layOut() {
    const { memory } = this;
    const filled = SIDES.filter((side) => this.panesOf(side).length);
    this.applyCardHeight();
    const alone = filled.length === 1 ? filled[0] : memory.maximised;
    for (const side of SIDES) {
      const { element, maximise } = this.sides[side];
      element.hidden = alone ? side !== alone : false;
      maximise.hidden = filled.length < 2;
      const label = this.t(memory.maximised === side ? "restore" : "maximise");
      maximise.title = label;
      maximise.setAttribute("aria-label", label);
      maximise.setAttribute("aria-pressed", String(memory.maximised === side));
      const shown = this.shownPane(side);
      for (const id of this.panesOf(side)) this.showTab(this.panes.get(id), id === shown);
    }
    this.splitter.hidden = Boolean(alone);
    this.applyRatio();
    for (const { pane } of this.panes.values()) pane.resized();
  },

  showTab({ tab, panel }, on) {
    panel.hidden = !on;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
  },

  /** Bring a pane's tab to the front. */
  activate(id, { focus = false } = {}) {
    const entry = this.panes.get(id);
    if (!entry) return;
    this.memory.tabs[entry.side] = id;
    if (this.memory.maximised && this.memory.maximised !== entry.side) this.memory.maximised = null;
    this.layOut();
    this.paintDots();
    if (this.source) this.tell();
    if (focus) entry.tab.focus();
  },

  tabKey(event, side) {
    const ids = this.panesOf(side);
    const at = ids.indexOf(event.target.closest("[data-pane]")?.dataset.pane);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: ids.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    this.activate(ids[(to + ids.length) % ids.length], { focus: true });
  },

  maximise(side) {
    this.memory.maximised = this.memory.maximised === side ? null : side;
    this.layOut();
    if (this.source) this.tell();
  },

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
  },

  setRatio(ratio) {
    this.memory.ratio = clamp(ratio, RATIO.low, RATIO.high);
    this.applyRatio();
  },

  applyRatio() {
    const { ratio } = this.memory;
    const alone = this.splitter.hidden;
    this.body.style.gridTemplateColumns = alone ? "minmax(0, 1fr)" : `minmax(0, ${ratio}fr) auto minmax(0, ${1 - ratio}fr)`;
    this.splitter.setAttribute("aria-valuenow", String(Math.round(ratio * 100)));
  },

  /** A divider above the card: drag it, or arrow keys. A double click gives the first height back. */
  buildCardSplitter() {
    const splitter = h("div", { class: "wb-splitter wb-card-splitter", role: "separator", tabindex: "0",
      "aria-orientation": "horizontal", "aria-label": this.t("cardSplitter"), "aria-valuemin": CARD.low });
    splitter.addEventListener("pointerdown", (event) => {
      splitter.setPointerCapture(event.pointerId);
      event.preventDefault();
      splitter.focus({ preventScroll: true });
    });
    splitter.addEventListener("pointermove", (event) => {
      if (!splitter.hasPointerCapture(event.pointerId)) return;
      this.setCardHeight(this.card.element.getBoundingClientRect().bottom - event.clientY);
    });
    splitter.addEventListener("dblclick", () => this.setCardHeight(null));
    splitter.addEventListener("keydown", (event) => {
      const by = { ArrowUp: CARD.step, ArrowDown: -CARD.step }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.setCardHeight(this.card.element.offsetHeight + by);
    });
    return splitter;
  },

  setCardHeight(height) {
    const most = Math.max(this.element.clientHeight - CARD.room, CARD.low);
    this.memory.card = height === null ? null : clamp(height, CARD.low, most);
    this.applyCardHeight();
  },

  applyCardHeight() {
    const { card } = this.memory;
    if (card === null) this.element.style.removeProperty("--wb-card");
    else this.element.style.setProperty("--wb-card", `${Math.round(card)}px`);
    this.cardSplitter.setAttribute("aria-valuenow", String(Math.round(card ?? this.card.element.offsetHeight)));
  },
});
