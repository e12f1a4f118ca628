/* -- two runs side by side: the drawing of both a second time, on the other side, as run B ---------- */

Object.assign(LABELS, { sideOf: "{run} · {name}", sideCount: "how often {run} ran it" });

const MIRROR = "run-b"; // the pane's name; it draws the items of "dynamic"

/* The same drawing as the pane that it mirrors, with the same view: what is moved, zoomed, opened or
 * selected in one is so in the other, and a node of both runs stands at the same place in both. */
class MirrorPane extends GraphPane {
  get isMirror() {
    return true;
  }

  get original() {
    return this.hub.panes.get(this.id)?.pane;
  }

  /* No heat here: it measures run A. */
  update(spec) {
    this.title = spec.title;
    this.note.textContent = this.note.title = spec.note || "";
    this.heat.select.hidden = true;
    this.copy();
  }

  /** Take the drawing over; a hidden pane waits until it is shown. */
  copy() {
    const text = this.original?.svgText ?? null;
    if (!this.viewport.clientWidth) return;
    if (text !== this.svgText) this.setSvg(text, "");
    this.search.refresh();
    seeRun(this, "b");
  }

  resized() {
    this.copy();
    super.resized();
  }

  /** The original puts new content in the view. */
  place() {
    if (!this.svg || !this.visible()) return;
    this.showView();
    this.paint();
  }

  toggle(id) {
    this.original.toggle(id);
  }
}

extend(Workbench, {
  /** The panes of new data; with A and B side by side one more, which mirrors the graph. */
  withMirror(specs) {
    const graph = specs.find((spec) => spec.id === "dynamic");
    const names = this.data.compare?.names;
    if (this.memory.runs !== "sides" || !names || !graph) return specs;
    const title = (run, at) => this.t("sideOf", { run, name: names[at] });
    const side = SIDES.find((one) => one !== (this.memory.sides.dynamic ?? graph.side));
    const mirror = { id: MIRROR, mirrors: "dynamic", side, title: title("B", 1), note: graph.note };
    return [...specs.map((spec) => (spec === graph ? { ...spec, title: title("A", 0) } : spec)), mirror];
  },

  /** Put the second drawing beside the first one, or take it away again. */
  changeSides(on) {
    const { memory } = this;
    const own = this.panes.get("dynamic").side;
    const side = SIDES.find((one) => one !== own);
    if (on) memory.besideBefore = this.shownPane(side);
    delete memory.sides[MIRROR];
    memory.tabs[own] = "dynamic";
    memory.tabs[side] = on ? MIRROR : memory.besideBefore;
    if (on) memory.maximised = null;
    this.updatePanes(this.data.panes || []);
    this.layOut();
    this.drawSelection();
  },

  /** The other panes with the same view. */
  besides(pane) {
    return [...this.panes.values()].map((entry) => entry.pane).filter((other) => other !== pane && other.view === pane.view);
  },

  /** The room that a pane and those with the same view have in common: what fits, fits in each. */
  commonRoom(pane) {
    const shown = [pane, ...this.besides(pane)].filter((one) => one.visible());
    return shown.length ? [0, 1].map((axis) => Math.min(...shown.map((one) => one.room[axis]))) : pane.room;
  },
});

/** Rows of a legend for the badges with the counts of two runs. */
function legendCounts(pane) {
  return ["a", "b"].map((run) => [run, pane.svg.querySelector(`.badge-${run}`)]).filter(([, badge]) => badge).map(([run, badge]) => {
    const { x, y, width, height } = badge.getBBox();
    const drawn = s("svg", { class: "graph wb-swatch", viewBox: `${x} ${y} ${width} ${height}`, "aria-hidden": "true" }, badge.cloneNode(true));
    return h("li", {}, drawn, h("span", {}, pane.hub.t("sideCount", { run: run.toUpperCase() })));
  });
}
