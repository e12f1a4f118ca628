/* -- the place: what is shown of a recording on a server, and how an address names it -------------- */

/*   data = { source: url of a recording, place: {selected, toggled, tabs, sides, maximised, moment, runs}, place_seq }
 *
 * The boxes that are open are a difference to those that are open at first (`toggled`). All of the place
 * belongs to the viewer: Python hears of it and keeps it in the address, and commands another one with a
 * higher `place_seq` only (another recording, the browser's back button). */
extend(Workbench, {
  /** Whether there is somebody to answer a question: a server, or the saved page, which has few answers. */
  can(question, asked) {
    return Boolean(this.source?.can(question, asked));
  },

  ask(question, asked = {}) {
    if (!this.source) return Promise.reject(new Error(this.t("offline")));
    return this.source.ask(question, asked);
  },

  place() {
    const { command, selected, toggled, tabs, sides, maximised, moment, runs } = this.memory;
    return { seq: command, selected, toggled: [...toggled], tabs: { ...tabs }, sides: { ...sides }, maximised, moment, runs };
  },

  /** Show the recording at `frame.source`; nothing is asked again when it is shown already. */
  connect(frame) {
    const another = frame.source !== this.frame?.source;
    const command = frame.place_seq !== this.memory.command;
    this.frame = frame;
    if (another) {
      this.source?.close();
      this.drawn = null;
      this.source = typeof frame.source === "string" ? new Source(frame.source, this) : new FileSource(frame.source, this);
    }
    if (command) this.takePlace(frame.place || {});
    this.memory.command = frame.place_seq;
    if (another || command) this.ready = this.askPicture({ reveal: command });
    else if (this.picture) this.take({ ...this.picture, labels: frame.labels ?? this.picture.labels, height: frame.height });
  },

  takePlace({ selected = null, toggled = [], tabs, sides, maximised, moment = null, runs }) {
    this.sendPlace.cancel(); // of the place before
    Object.assign(this.memory, { selected, moment, toggled: new Set(toggled), runs: RUNS_SHOWN.includes(runs) ? runs : "both" });
    if (tabs) this.memory.tabs = { ...tabs }; // all of them: the back button goes back to the first ones, too
    if (sides) this.memory.sides = { ...sides };
    if (maximised !== undefined) this.memory.maximised = maximised;
    if (this.memory.runs === "sides") this.memory.tabs.right ??= MIRROR;
  },

  /** Ask for the picture as it is now: first the panes that are seen, the others when those are drawn. */
  async askPicture({ reveal = false } = {}) {
    const toggled = [...this.memory.toggled];
    this.notice.busy(this.saysDrawing(), () => this.cancelPicture());
    try {
      const picture = await this.source.askLatest("picture", "picture", { toggled, draw: this.seenPanes() });
      if (picture.cancelled || !this.keepsPicture(picture)) return;
      this.drawn = new Set(picture.toggled ?? toggled);
      if (picture.toggled) this.memory.toggled = new Set(picture.toggled);
      if (picture.said) sayFor(this.notice, this.t(picture.said));
      this.drawSelection({ reveal });
      if (reveal && this.memory.selected !== null && !this.resolve(this.memory.selected)) await this.openWay(this.memory.selected);
      this.onPicture?.();
      this.waiting = this.drawWaiting(toggled).catch((error) => this.failed(error));
      this.waiting.then(() => this.panes.get("findings")?.pane.load());
      if (reveal) this.waiting.then(() => requestAnimationFrame(() => this.revealAgain())); // the card took room by now
    } catch (error) {
      this.failed(error, toggled);
    }
  },

  revealAgain() {
    if (this.element.isConnected && this.memory.selected !== null) this.drawSelection({ reveal: true });
  },

  saysDrawing() {
    const count = this.frame.ops;
    return count ? this.t("drawingOps", { count: count.toLocaleString("en") }) : this.t("drawing");
  },

  /** Stop drawing: the picture stays as it was, and so do the boxes that are open. */
  cancelPicture() {
    this.source.cancel("picture");
    this.notice.hide();
    if (this.undoToggles()) this.tell();
    else this.notice.fail(this.t("notDrawn"), () => this.askPicture());
  },

  /** Back to the boxes of the picture that is shown; whether there is one. */
  undoToggles() {
    if (this.drawn) this.memory.toggled = new Set(this.drawn);
    return Boolean(this.drawn);
  },

  /** Open the boxes around an item that a link asks for. */
  async openWay(ref) {
    const { boxes } = await this.source.ask("way", { ref });
    if (this.source.uncover || boxes.some((box) => !this.opened.has(box))) await this.show(ref, boxes);
  },

  keepsPicture(picture) {
    if (!this.element.isConnected) return false;
    this.notice.hide();
    this.picture = picture;
    this.opened = new Set(picture.opened);
    this.take({ ...picture, labels: this.frame.labels ?? picture.labels, height: this.frame.height });
    return true;
  },

  /** Panes on top of their sides, as far as that is known before the first picture, and that of the
   * selected item. The IR's text shows the items of the IR. */
  seenPanes() {
    const { tabs, selected } = this.memory;
    const seen = this.panes.size
      ? SIDES.map((side) => this.shownPane(side))
      : [tabs.left ?? "dynamic", tabs.right ?? "static"];
    const of = (id) => ({ irtext: "static", [MIRROR]: "dynamic" })[id] ?? id;
    return [...new Set([...seen, splitRef(selected)?.pane].filter(Boolean).map(of))];
  },

  /** Draw the panes that are not seen yet, so that a change of tabs shows them at once. */
  async drawWaiting(toggled) {
    const waiting = (this.data.panes || []).filter((spec) => spec.waits).map((spec) => spec.id);
    if (!waiting.length) return;
    const { panes, items, cards, cancelled } = await this.source.askLatest("picture", "drawing", { toggled, draw: waiting });
    if (cancelled) return;
    Object.assign(this.data.items, items);
    Object.assign(this.data.cards, cards);
    this.indexes.clear();
    for (const spec of this.data.panes.filter(({ id }) => panes[id])) {
      Object.assign(spec, { waits: false }, panes[spec.id]);
      this.panes.get(spec.id)?.pane.update(spec);
    }
    this.timeline.refresh();
    this.drawSelection();
    this.onPicture?.();
  },

  /** Say why there is no picture; to try again is to ask for the same boxes. */
  failed(error, toggled = this.memory.toggled) {
    if (error.name === "AbortError") return; // another picture was asked for
    if (error.lost && this.callbacks.onLost) return this.callbacks.onLost(this.frame.source); // it gets another name
    this.undoToggles();
    this.notice.fail(error.message, () => this.retryPicture(toggled));
  },

  async retryPicture(toggled) {
    this.memory.toggled = new Set(toggled);
    await this.askPicture();
    this.tell();
  },

  /** Open or close a box; when it cannot be drawn, the picture stays as it was. */
  async toggleBox(id) {
    await this.toggleBoxes([id.split("@")[0]]);
  },

  async toggleBoxes(ids) {
    for (const id of ids) if (!this.memory.toggled.delete(id)) this.memory.toggled.add(id);
    await this.askPicture();
    this.tell();
  },

  /** Select an item that is in the graph or in closed boxes of it: those are opened first. */
  async goTo(pane, id, options = {}) {
    const ref = `${pane}/${id}`;
    try {
      if (!this.resolve(ref) && this.can("way")) await this.openWay(ref);
    } catch (error) {
      this.failed(error);
    }
    if (this.resolve(ref)) this.select(pane, id, options);
    else if (id.startsWith("op:")) this.selectOp(Number(id.slice(3)), options);
    else if (id.startsWith("grad:")) this.selectGrad(Number(id.slice(5)), options);
  },

  /** Select an item by its reference, with the boxes around it opened first. */
  async show(ref, boxes = []) {
    const closed = boxes.filter((box) => !this.opened?.has(box));
    if (this.source?.uncover) await this.source.uncover(ref, boxes); // a saved page has not every picture
    else if (closed.length && this.source) await this.toggleBoxes(closed);
    const parts = splitRef(ref);
    if (parts && !this.resolve(ref)) await this.waiting; // in a pane that is drawn later
    if (!parts || !this.resolve(ref)) return false;
    this.activate(parts.pane);
    this.select(parts.pane, parts.id);
    return true;
  },
});
