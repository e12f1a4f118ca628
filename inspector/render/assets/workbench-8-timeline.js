/* -- Timeline: the bar below the panes, with which a run is stepped through -------------------------- */

Object.assign(LABELS, {
  timeline: "Time travel", timelineOpen: "Show the timeline in full (T)", timelineShut: "Show one line only (T)",
  timelineSlider: "Moment of the run", timelineLeave: "Leave time travel: show the whole run",
  first: "First moment (Home)", stepBack: "Step back (,)", play: "Play (K)", pause: "Pause (K)", stepOn: "Step (.)",
  stepOver: "Step over what runs inside (Shift+.; with Shift, or Shift+, back)", stepOut: "Step out (E; with Shift, or Shift+E, back)",
  aim: "Go to the moment of what is selected (G)", endedWith: "the run ended here: {failure}",
  speed: "Moments per second", perSecond: "{n}/s", whole: "The whole run: {n} moments. Press . to step.",
  momentName: "{what} {n} of {all}: {title}", momentIn: "{name}, {module}", "moment.op": "op", "moment.grad": "autograd node",
  "moment.read": "size read, moment", "moment.backward": "backward pass, moment", "moment.optimizer_step": "optimizer step, moment",
  "moment.zero_grad": "zero_grad, moment", "lane.forward": "forward", "lane.backward": "backward", "lane.optimizer": "optimizer",
  "lane.alive": "memory", "mark.decision": "decision", "mark.nonfinite": "NaN or Inf", "mark.failed": "failed",
  noMoment: "The run ends here.", noMomentBefore: "The run begins here.",
  "help.step": ". , | time travel: one moment on, one back",
  "help.stepOver": "> < (Shift+. Shift+,) | step over what runs inside, forwards and backwards",
  "help.stepOut": "E, Shift+E | step out of the call, forwards and backwards",
  "help.playPauseGo": "K, G | play and pause; go to the moment of what is selected",
  "help.until": "U, then J, Shift+J | run until …; next and previous hit",
  "help.wholeTimeline": "T | the timeline in full, or one line",
});
HELP_ROWS.splice(-2, 0,
  "help.step",
  "help.stepOver",
  "help.stepOut",
  "help.playPauseGo",
  "help.until",
  "help.wholeTimeline");

const LANES = ["forward", "backward", "optimizer"];
const PANE_OF = { op: "dynamic", grad: "backward" };
const SPEEDS = [1, 2, 5, 10, 30, 100];
const DETAILS_DELAY = 90; // ms; while a key is held down nobody is asked
const MARK_SIGNS = { decision: "◆", nonfinite: "▲", failed: "✕" };
const MARK_ROOM = 0.013; // of the bar; what stands closer is drawn as a tick
const ICONS = { // in a square of 16
  first: "M3 3h2v10H3zM13 3v10L6 8z", back: "M11 3v10L4 8z", play: "M4 2.5v11L13 8z", pause: "M4 3h3v10H4zM9 3h3v10H9z",
  on: "M5 3v10l7-5z", over: "M2 9a5.5 5.5 0 0 1 10.4-2.4L14 5v5H9l1.8-1.8A3.6 3.6 0 0 0 4 9zM6 12h4v2H6z",
  out: "M8 2l4 4.5H9.2V11H6.8V6.500H4zM3 12.500h10v1.700H3z", aim: "M7.200 1h1.600v3H7.200zM7.200 12h1.600v3H7.200zM1 7.200h3v1.600H1zM12 7.200h3v1.600h-3zM8 5.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5z", shut: "M5.500 3l6 5-6 5z", opened: "M3 5.500l5 6 5-6z",
};

/** A sign drawn in the colour of the text around it. */
function icon(name) {
  return s("svg", { class: "wb-icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

class Timeline {
  constructor(hub) {
    this.hub = hub;
    this.moments = null;
    this.asked = 0;
    this.later = new Later(hub);
    this.build();
    this.askDetails = debounce(() => this.fetchDetails(), DETAILS_DELAY);
    this.selectSoon = debounce((about) => this.select(about), 0);
  }

  build() {
    const { t } = this.hub;
    this.until = new Until(this);
    this.details = new MomentDetails(this);
    const move = (name, by) => (event) => this.go(name, event.shiftKey ? -by : by);
    this.toggle = button(icon("shut"), t("timelineOpen"), () => this.expand(!this.hub.memory.timelineOpen), { "aria-expanded": "false" });
    this.aim = button(icon("aim"), t("aim"), () => this.goToSelected());
    this.playButton = button(icon("play"), t("play"), () => this.play(!this.playing));
    this.speed = h("select", { class: "wb-picker wb-speed", "aria-label": t("speed"), title: t("speed") },
      SPEEDS.map((n) => h("option", { value: n, selected: n === 5 }, t("perSecond", { n }))));
    this.track = h("div", { class: "wb-track", role: "slider", tabindex: "0", "aria-label": t("timelineSlider"),
      "aria-valuemin": "1", onkeydown: (event) => this.slide(event) });
    this.now = h("div", { class: "wb-now" });
    this.key = h("div", { class: "wb-track-key", "aria-hidden": "true" }, Object.entries(MARK_SIGNS).map(([kind, sign]) =>
      h("span", {}, h("i", { class: `wb-mark-${kind}` }, sign), ` ${t(`mark.${kind}`)}`)));
    this.leaveButton = button("×", t("timelineLeave"), () => this.leave(), { class: "wb-button wb-close" });
    this.element = h("section", { class: "wb-timeline", "aria-label": t("timeline"), hidden: true },
      h("div", { class: "wb-timebar" }, this.toggle,
        h("div", { class: "wb-transport", role: "group", "aria-label": t("timeline") },
          button(icon("first"), t("first"), () => this.goTo(0)), button(icon("back"), t("stepBack"), () => this.go("step", -1)), this.playButton,
          button(icon("on"), t("stepOn"), () => this.go("step", 1)), button(icon("over"), t("stepOver"), move("over", 1)),
          button(icon("out"), t("stepOut"), move("out", 1)), this.aim,
          this.speed),
        this.track, this.key, this.now,
        button(t("until"), t("untilHint"), () => this.until.open(), { class: "wb-button wb-word" }), this.leaveButton),
      this.details.element, this.until.element);
    this.bindPointer();
  }

  // -- data --------------------------------------------------------------------------------------

  /** New data of the workbench: take the timeline that came with it, or ask for it once. */
  update() {
    const inline = this.hub.data.timeline;
    const from = this.hub.frame?.source;
    if (inline) this.take(inline);
    else if (this.hub.can("timeline") && from !== this.from) {
      this.from = from;
      this.load(from);
    }
    this.refresh();
  }

  async load(from) {
    this.take(null);
    try {
      const data = await this.hub.ask("timeline", {});
      if (from === this.from) this.take(data);
      this.refresh();
    } catch {
      this.from = undefined; // the workbench says that the server is gone; the next picture tries again
    }
  }

  take(data) {
    if (data === this.moments?.data) return;
    this.play(false);
    this.moments = data?.count ? new Moments(data) : null;
    this.at = null;
    this.element.hidden = !this.moments;
    this.later.forget();
    if (!this.moments) return;
    this.until.fill(data);
    this.track.setAttribute("aria-valuemax", String(data.count));
    drawTrack(this.track, data.overview, this.hub.t, data.count);
    this.aim.hidden = !this.moments.whole;
    this.expand(Boolean(this.hub.memory.timelineOpen));
    this.paint();
  }

  /** Panes were drawn anew, or the place changed: show the moment that the workbench remembers. */
  refresh() {
    if (!this.moments) return;
    const wanted = this.hub.memory.moment ?? null;
    if (wanted !== this.at) {
      if (wanted === null || wanted >= this.moments.count || wanted < 0) this.at = null;
      else this.at = wanted;
      this.paint();
      if (this.at !== null) this.askDetails();
    }
    this.later.refresh(this.done());
  }

  // -- moving ------------------------------------------------------------------------------------

  /** "step", "over" or "out", forwards (1) or backwards (-1). */
  go(move, by) {
    if (!this.moments) return;
    const from = this.at ?? (by > 0 ? -1 : this.moments.count);
    if (!this.moments.whole && move !== "step" && this.at !== null) this.goAsking(move, by);
    else this.arrive(this.moments.move(from, move, by), by);
  }

  arrive(to, by) {
    if (to === null) {
      this.play(false);
      this.hub.live.textContent = this.hub.t(by > 0 ? "noMoment" : "noMomentBefore");
    } else this.goTo(to);
  }

  /** A step that only the server can make: the run is too long to have its moments here. */
  async goAsking(move, by) {
    const number = (this.asked += 1);
    try {
      const found = await this.hub.ask("moment", { at: this.at, move, back: by < 0 });
      if (number !== this.asked) return;
      this.arrive(found.at, by);
    } catch (error) {
      this.hub.notice?.fail(error.message);
    }
  }

  /** Show a moment: at once what is known here, then what the server tells. */
  goTo(at) {
    if (!this.moments || at === null) return;
    this.at = clamp(at, 0, this.moments.count - 1);
    this.hub.memory.moment = this.at;
    this.asked += 1;
    this.paint();
    if (this.moments.whole) this.selectSoon(this.moments.site(this.at));
    this.later.show(this.done());
    this.askDetails();
  }

  /** Go to the moment at which what is selected first ran. */
  goToSelected() {
    const chosen = splitRef(this.hub.memory.selected);
    const item = chosen && this.hub.item(chosen.pane, chosen.id);
    const kind = chosen?.pane === "backward" ? "grad" : "op";
    const first = lowestOf(kind === "grad" ? item?.grads : item?.ops);
    const at = Number.isFinite(first) ? this.moments.momentOf(kind, first) : -1;
    if (at >= 0) this.goTo(at);
  }

  /** Show the whole run again. */
  leave() {
    this.play(false);
    this.at = null;
    this.hub.memory.moment = null;
    this.asked += 1;
    this.askDetails.cancel();
    this.later.show(null);
    this.paint();
    this.hub.tell();
  }

  /** How much had run; null when the whole run is shown, or it is not known yet. */
  done() {
    if (this.at === null) return null;
    return this.moments.whole ? this.moments.done(this.at) : this.told?.at === this.at ? this.told.done : this.later.done;
  }

  /** Select what a moment computed: its node, the closed box around it, else its line. */
  select({ kind, id, stack = [] }) {
    const { hub } = this;
    this.turnTo(kind);
    const own = { op: `op:${id}`, grad: `grad:${id}` }[kind];
    const drawn = { op: () => hub.itemsWith("dynamic", "ops", [[id]]), grad: () => hub.itemsWith("backward", "grads", [[id]]) }[kind]?.() ?? [];
    const chosen = splitRef(hub.memory.selected);
    const inBox = drawn.length > 0 && !drawn.includes(own);
    const stays = inBox && chosen?.pane === PANE_OF[kind] && drawn.includes(chosen.id); // as before: in the same box
    if (stays) hub.showExact(PANE_OF[kind], own);
    const found = stays || (kind === "op" ? hub.selectOp(id) : kind === "grad" ? hub.selectGrad(id) : this.selectNode(kind, id));
    const left = !found && own && hub.source?.leave?.(); // a saved page shows one box: the run goes on outside of it
    if (left) return void left.then(() => this.select({ kind, id, stack }));
    if (!found && stack.length) hub.select("source", lineKey(stack[0].path, stack[0].line));
    else if (inBox && stack.length) this.point(lineKey(stack[0].path, stack[0].line));
    hub.tell();
  }

  /** Show a line in the source, where it is not that of what is selected. */
  point(key) {
    for (const { pane } of this.hub.panes.values()) {
      if (!pane.isSource) continue;
      pane.setMarks({ selected: key, linked: new Set([key]) });
      pane.reveal([key]);
    }
  }

  selectNode(kind, id) {
    const node = kind === "read" ? `decision:${id}` : `step:${id}`;
    if (!this.hub.item("dynamic", node)) return false;
    this.hub.select("dynamic", node);
    return true;
  }

  /** Bring the graph to the front in which the run goes on now, when it went from one into the other. */
  turnTo(kind) {
    const pane = PANE_OF[kind];
    if (!pane || pane === this.turned) return;
    this.turned = pane;
    const entry = this.hub.panes.get(pane);
    if (!entry?.panel.hidden) return;
    const active = this.element.getRootNode().activeElement;
    const inGraph = [...this.hub.panes.values()].some(({ panel }) => panel.contains(active));
    this.hub.activate(pane);
    if (inGraph && !active.checkVisibility()) entry.pane.viewport.focus({ preventScroll: true }); // or keys were lost
  }

  /** Go on by itself, or stop. At the end of the run it begins anew. */
  play(on) {
    clearTimeout(this.timer);
    if (on && this.moments && this.at === this.moments.count - 1) this.goTo(0);
    this.playing = on;
    const label = this.hub.t(on ? "pause" : "play");
    this.playButton.replaceChildren(icon(on ? "pause" : "play"));
    for (const name of ["title", "aria-label"]) this.playButton.setAttribute(name, label);
    if (on) this.wait();
  }

  wait() {
    this.timer = setTimeout(() => this.tick(), 1000 / Number(this.speed.value));
  }

  tick() {
    this.go("step", 1);
    if (this.at === this.moments?.count - 1) this.play(false);
    if (this.playing && this.element.isConnected) this.wait();
  }

  // -- the slider --------------------------------------------------------------------------------

  slide(event) {
    const page = Math.max(Math.round(this.moments.count / 20), 1);
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: page, PageDown: -page }[event.key];
    if (by !== undefined) this.goTo((this.at ?? (by > 0 ? -1 : this.moments.count)) + by);
    else if (event.key === "Home") this.goTo(0);
    else if (event.key === "End") this.goTo(this.moments.count - 1);
    else return;
    event.preventDefault();
  }

  bindPointer() {
    const { track } = this;
    const move = (event) => {
      const { left, width } = track.getBoundingClientRect();
      this.goTo(Math.floor(((event.clientX - left) / width) * this.moments.count));
    };
    track.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      track.setPointerCapture(event.pointerId);
      event.preventDefault(); // no text is selected while dragging
      track.focus({ preventScroll: true });
      this.play(false);
      const mark = event.target.closest("[data-at]");
      if (mark) this.goTo(Number(mark.dataset.at));
      else move(event);
    });
    track.addEventListener("pointermove", (event) => track.hasPointerCapture(event.pointerId) && event.buttons && move(event));
  }

  // -- keys --------------------------------------------------------------------------------------

  /** What keys do, anywhere in the workbench; nothing without a timeline. */
  keys() {
    if (!this.moments) return {};
    return {
      ".": () => this.go("step", 1), ",": () => this.go("step", -1),
      ">": () => this.go("over", 1), ":": () => this.go("over", 1), "<": () => this.go("over", -1), ";": () => this.go("over", -1),
      e: () => this.go("out", 1), E: () => this.go("out", -1), k: () => this.play(!this.playing), g: () => this.goToSelected(),
      u: () => this.until.open(), j: () => this.again(1), J: () => this.again(-1),
      t: () => this.expand(!this.hub.memory.timelineOpen),
    };
  }

  again(by) {
    if (this.until.isOpen) this.until.run(by);
    else this.until.open();
  }

  destroy() {
    this.play(false);
    this.askDetails.cancel();
    this.selectSoon.cancel();
  }
}
