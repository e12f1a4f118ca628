/* -- the morph: when another run comes, what both have glides to its place ------------------------- */

/*   data.run     a number of the run that is drawn
 *   data.morph = { before: number of the run before, names: [before, now], was: { id: id in the run before },
 *                  ir: { id of what is gone: ids of the IR nodes that it was } }
 *
 * A picture of two runs has both at the same places (views/morph.py): after a switch back and forth nothing
 * moves at all. Otherwise the picture is put so that one thing of both stays, and the rest glides. */

Object.assign(LABELS, {
  "kind.arrived": "new: not there before", "kind.vanished": "gone: there before only", "kind.altered": "not the same as before",
});
FLAGS.push("arrived", "vanished", "altered");

const GLIDE_MS = 450;
const GLIDE_MOST = 1500; // nodes; more of them would stutter
const GLIDE_EASING = "cubic-bezier(0.2, 0, 0, 1)";

/** What a pane shows before new content comes, and how that moves to its new places. */
class Glide {
  constructor(pane) {
    this.pane = pane;
    const { run = null, morph } = pane.hub.data;
    this.now = { run, key: `${run}/${morph?.before ?? ""}`, was: morph?.was ?? {}, before: morph?.before ?? null };
    this.last = pane.drawnRun; // of the content that goes
    pane.drawnRun = this.now;
    this.spots = this.another ? this.spotsNow() : new Map();
  }

  /** Whether the new content is of another run, or of another two: boxes that open do not glide. */
  get another() {
    return Boolean(this.last) && this.last.key !== this.now.key && this.pane.id === "dynamic" && Boolean(this.pane.svg) && this.pane.visible();
  }

  spotsNow() {
    const { pane } = this;
    const ids = [...pane.nodes.keys(), ...pane.boxes.keys()];
    return new Map(ids.map((id) => [id, { ...pane.screenSpot(id), ...sizeOf(pane.rect(id)) }]));
  }

  /** Where something of the new content was in the viewport; undefined for what was not there. */
  spotOf(id) {
    if (this.now.run === this.last?.run) return this.spots.get(id);
    if (this.now.before === this.last?.run) return this.spots.get(this.now.was[id]);
    return undefined;
  }

  /** What shall stay where it is: the selected item, else the topmost one that was seen and is still there. */
  held() {
    const { pane } = this;
    if (!this.spots.size || !pane.svg) return null;
    const [W, H] = pane.room;
    const stays = [...pane.nodes.keys()].map((id) => ({ id, spot: this.spotOf(id) }))
      .filter(({ spot }) => spot && spot.x >= 0 && spot.y >= 0 && spot.x < W && spot.y < H);
    const chosen = pane.hub.memory.selected;
    const kept = stays.find(({ id }) => `${pane.id}/${id}` === chosen) ?? stays.toSorted((a, b) => a.spot.y - b.spot.y || a.spot.x - b.spot.x)[0];
    return kept ? { id: kept.id, x: kept.spot.x, y: kept.spot.y } : null;
  }

  /** Where things move anyway, the picture moves, too, so that as much of it is seen as there is room for. */
  settle() {
    const { pane } = this;
    const stays = [...pane.nodes.keys()].filter((id) => this.spotOf(id));
    if (!stays.length || !stays.some((id) => this.moved(id))) return;
    const { view, size, room } = pane;
    const into = (from, length, most) => clamp(from, Math.min(PADDING, most - PADDING - length), Math.max(PADDING, most - PADDING - length));
    pane.moveTo({ x: into(view.x, size[0] * view.k, room[0]), y: into(view.y, size[1] * view.k, room[1]) });
  }

  /** Whether something of both stands elsewhere than before. */
  moved(id) {
    const [was, is] = [this.spotOf(id), this.pane.screenSpot(id)];
    return !was || !is || Math.hypot(was.x - is.x, was.y - is.y) > 0.5;
  }

  play() {
    const { pane } = this;
    if (this.spots.size && pane.svg) this.settle();
    if (!this.spots.size || !pane.svg || reducedMotion() || pane.nodes.size > GLIDE_MOST) return;
    for (const [id, el] of [...pane.nodes, ...pane.boxes]) this.move(id, el);
    for (const edge of new Set([...pane.edges.values()].flat())) if (this.changes(edge)) this.fade(edge);
  }

  /** Move an element from where it was; what was not there comes in, what is gone fades. */
  move(id, el) {
    const spot = this.spotOf(id);
    if (!spot) return this.fade(el);
    const { x, y, k } = this.pane.view;
    const rect = this.pane.rect(id);
    const by = [(spot.x - x) / k - rect.x, (spot.y - y) / k - rect.y];
    if (Math.hypot(...by) > 0.5) animate(el, { translate: [`${by[0]}px ${by[1]}px`, "0px 0px"] });
    const frame = el.matches(".box:not(.node)") && el.querySelector(":scope > rect");
    if (frame && (spot.w !== rect.w || spot.h !== rect.h)) animate(frame, { width: [`${spot.w}px`, `${rect.w}px`], height: [`${spot.h}px`, `${rect.h}px`] });
    if (el.classList.contains("vanished")) animate(el, { opacity: [1, getComputedStyle(el).opacity] });
    return undefined;
  }

  /** Whether an edge is new, gone, or has an end that moved: its course cannot glide. */
  changes(edge) {
    return edge.matches(".arrived, .vanished") || [edge.dataset.source, edge.dataset.target].some((id) => this.moved(id));
  }

  fade(el) {
    const to = Number(getComputedStyle(el).opacity);
    animate(el, { opacity: el.classList.contains("vanished") ? [1, to] : [0, to] });
  }
}

const linkedByRun = Workbench.prototype.linkedIn;

extend(Workbench, {
  /* What is gone has no op in the run now: its IR nodes are those that it was. */
  linkedIn(pane, chosen) {
    const { ir } = this.data.morph ?? {};
    const between = [chosen.pane, pane].toSorted().join() === "dynamic,static";
    if (!ir || !between || chosen.wholeLine) return linkedByRun.call(this, pane, chosen);
    const nodes = pane === "static" ? ir[chosen.id] ?? [] : Object.keys(ir).filter((gone) => ir[gone].includes(chosen.id));
    const found = nodes.filter((id) => this.item(pane, id));
    if (!found.length) return linkedByRun.call(this, pane, chosen);
    return new Set([...found, ...(chosen.ops.length ? linkedByRun.call(this, pane, chosen) : [])]);
  },
});

function sizeOf({ w, h }) {
  return { w, h };
}

function animate(el, frames) {
  el.animate(frames, { duration: GLIDE_MS, easing: GLIDE_EASING });
}
