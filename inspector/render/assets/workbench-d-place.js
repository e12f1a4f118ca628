/* -- the place: what is shown of a recording on a server, and how an address names it -------------- */

/*   data = { source: url of a recording, place: {selected, toggled, tabs, sides, maximised, moment}, place_seq }
 *
 * The boxes that are open are a difference to those that are open at first (`toggled`). All of the place
 * belongs to the viewer: Python hears of it and keeps it in the address, and commands another one with a
 * higher `place_seq` only (another recording, the browser's back button). */
extend(Workbench, {
  get canAsk() {
    return Boolean(this.source);
  },

  ask(question, asked = {}) {
    if (!this.source) return Promise.reject(new Error(this.t("offline")));
    return this.source.ask(question, asked);
  },

  place() {
    const { command, selected, toggled, tabs, sides, maximised, moment } = this.memory;
    return { seq: command, selected, toggled: [...toggled], tabs: { ...tabs }, sides: { ...sides }, maximised, moment };
  },

  /** Show the recording at `frame.source`; nothing is asked again when it is shown already. */
  connect(frame) {
    const another = frame.source !== this.frame?.source;
    const command = frame.place_seq !== this.memory.command;
    this.frame = frame;
    if (another) {
      this.source?.close();
      this.source = new Source(frame.source, this);
    }
    if (command) this.takePlace(frame.place || {});
    this.memory.command = frame.place_seq;
    if (another || command) this.ready = this.askPicture({ reveal: command });
    else if (this.picture) this.take({ ...this.picture, labels: frame.labels, height: frame.height });
  },

  takePlace({ selected = null, toggled = [], tabs, sides, maximised, moment = null }) {
    this.sendPlace.cancel(); // of the place before
    Object.assign(this.memory, { selected, moment, toggled: new Set(toggled) });
    if (tabs) this.memory.tabs = { ...this.memory.tabs, ...tabs };
    if (sides) this.memory.sides = { ...sides };
    if (maximised !== undefined) this.memory.maximised = maximised;
  },

  /** Ask for the picture as it is now: first the panes that are seen, the others when those are drawn. */
  async askPicture({ reveal = false } = {}) {
    const toggled = [...this.memory.toggled];
    this.notice.busy(this.t("drawing"));
    try {
      const picture = await this.source.askLatest("picture", "picture", { toggled, draw: this.seenPanes() });
      if (!this.keepsPicture(picture)) return false;
      this.drawSelection({ reveal });
      if (reveal && this.memory.selected !== null && !this.resolve(this.memory.selected)) await this.openWay(this.memory.selected);
      this.onPicture?.();
      await this.drawWaiting(toggled);
      return true;
    } catch (error) {
      return this.failed(error);
    }
  },

  /** Open the boxes around an item that a link asks for. */
  async openWay(ref) {
    const { boxes } = await this.source.ask("way", { ref });
    if (boxes.some((box) => !this.opened.has(box))) await this.show(ref, boxes);
  },

  keepsPicture(picture) {
    if (!this.element.isConnected) return false;
    this.notice.hide();
    this.picture = picture;
    this.opened = new Set(picture.opened);
    this.take({ ...picture, labels: this.frame.labels, height: this.frame.height });
    return true;
  },

  /** Panes on top of their sides, by what is known: all of them before the first picture. */
  seenPanes() {
    if (!this.panes.size) return ["dynamic", "static"];
    return SIDES.map((side) => this.shownPane(side)).filter(Boolean);
  },

  /** Draw the panes that are not seen yet, so that a change of tabs shows them at once. */
  async drawWaiting(toggled) {
    const waiting = (this.data.panes || []).filter((spec) => spec.waits).map((spec) => spec.id);
    if (!waiting.length) return;
    const drawn = await this.source.askLatest("picture", "drawing", { toggled, draw: waiting });
    for (const spec of this.data.panes) {
      if (drawn[spec.id]) Object.assign(spec, { waits: false }, drawn[spec.id]);
      if (drawn[spec.id]) this.panes.get(spec.id)?.pane.update(spec);
    }
    this.timeline.refresh();
    this.drawSelection();
    this.onPicture?.();
  },

  failed(error) {
    if (error.name === "AbortError") return false;
    if (error.lost && this.callbacks.onLost) this.callbacks.onLost(this.frame.source); // it gets another name
    else this.notice.fail(error.message, () => this.askPicture());
    return false;
  },

  /** Open or close a box; when it cannot be drawn, the picture stays as it was. */
  async toggleBox(id) {
    await this.toggleBoxes([id.split("@")[0]]);
  },

  async toggleBoxes(ids) {
    const before = new Set(this.memory.toggled);
    for (const id of ids) if (!this.memory.toggled.delete(id)) this.memory.toggled.add(id);
    const failed = (await this.askPicture()) === false && !this.notice.element.hidden;
    if (failed) this.memory.toggled = before;
    this.tell();
  },

  /** Select an item by its reference, with the boxes around it opened first. */
  async show(ref, boxes = []) {
    const closed = boxes.filter((box) => !this.opened?.has(box));
    if (closed.length && this.source) await this.toggleBoxes(closed);
    const parts = splitRef(ref);
    if (!parts || !this.resolve(ref)) return false;
    this.activate(parts.pane);
    this.select(parts.pane, parts.id);
    return true;
  },
});
