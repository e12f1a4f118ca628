/* -- the minimap of a graph pane: the whole drawing, and a frame around what is seen --------------- */

const MAP_SIZE = [176, 132]; // px; the longer side of a drawing fills its own
const MAP_SHARE = 0.24; // of the pane, at most: the graph itself is what is looked at
const MAP_LEAST = 26; // px; a drawing of one long column can still be pointed at
const MAP_MARKS = 500;

Object.assign(LABELS, { minimap: "Overview of the whole drawing (O)",
  "help.minimap": "O | show or hide the overview; drag its frame or click in it to move",
});
HELP_ROWS.splice(-2, 0, "help.minimap");

/* Rectangles on a canvas, drawn once for each drawing: a second SVG would cost as much as the first.
 * While the graph moves only the frame's transform changes, and nothing is read from the page. */
class Minimap {
  constructor(pane) {
    this.pane = pane;
    this.canvas = h("canvas", {});
    this.frame = h("div", { class: "wb-map-frame" });
    this.element = h("div", { class: "wb-map", "aria-hidden": "true", hidden: true }, this.canvas, this.frame);
    this.button = button("◱", pane.hub.t("minimap"), () => this.toggle(), { "aria-pressed": "true" });
    this.scale = [1, 1];
    this.theme = new MutationObserver(() => this.redraw());
    this.theme.observe(pane.hub.element, { attributes: true, attributeFilter: ["data-theme"] });
    this.bind();
  }

  get wanted() {
    return this.pane.hub.memory.minimap !== false;
  }

  toggle() {
    this.pane.hub.memory.minimap = !this.wanted;
    this.follow();
  }

  /** A new drawing, or one whose colours changed: what is seen of it is drawn in the next frame. */
  redraw() {
    this.stale = true;
    this.follow();
  }

  /** The view moved: put the frame around what is seen; hide all of it when that is everything. */
  follow() {
    const { svg, view, room, size } = this.pane;
    const shown = Boolean(svg) && this.pane.visible() && this.wanted &&
      (view.x < -1 || view.y < -1 || view.x + size[0] * view.k > room[0] + 1 || view.y + size[1] * view.k > room[1] + 1);
    this.button.setAttribute("aria-pressed", String(this.wanted));
    if (this.element.hidden === shown) this.element.hidden = !shown;
    if (!shown) return;
    if (this.stale) this.drawSoon();
    const [sx, sy] = this.scale;
    const [width, height] = [(room[0] / view.k) * sx, (room[1] / view.k) * sy];
    this.frame.style.transform = `translate(${(-view.x / view.k) * sx}px, ${(-view.y / view.k) * sy}px)`;
    if (width !== this.width) this.frame.style.width = `${(this.width = width)}px`;
    if (height !== this.height) this.frame.style.height = `${(this.height = height)}px`;
  }

  // -- drawing ---------------------------------------------------------------------------------

  drawSoon() {
    this.stale = false;
    this.fitScale();
    cancelAnimationFrame(this.request);
    this.request = requestAnimationFrame(() => this.draw());
  }

  fitScale() {
    const [w, h] = this.pane.size;
    const [wide, tall] = this.pane.room.map((side, at) => Math.min(MAP_SIZE[at], side * MAP_SHARE));
    const scale = Math.min(wide / w, tall / h);
    this.extent = [w, h].map((side) => Math.max(side * scale, MAP_LEAST));
    this.scale = [this.extent[0] / w, this.extent[1] / h];
    [this.element.style.width, this.element.style.height] = this.extent.map((side) => `${side}px`);
  }

  draw() {
    const ratio = devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = this.extent.map((side) => Math.round(side * ratio));
    this.base = document.createElement("canvas");
    [this.base.width, this.base.height] = [this.canvas.width, this.canvas.height];
    const pen = this.base.getContext("2d");
    pen.scale(this.scale[0] * ratio, this.scale[1] * ratio);
    const colour = this.colours();
    for (const id of this.pane.boxes.keys()) {
      const { x, y, w, h } = this.pane.rect(id);
      pen.fillStyle = colour("box-stroke");
      pen.globalAlpha = 0.28;
      pen.fillRect(x, y, w, h);
    }
    pen.globalAlpha = 1;
    for (const [id, el] of this.pane.nodes) this.drawNode(pen, this.pane.rect(id), colour(this.roleOf(id, el)), ratio);
    this.mark();
  }

  /** A node is at least a pixel, however small the map. */
  drawNode(pen, { x, y, w, h }, colour, ratio) {
    pen.fillStyle = colour;
    pen.fillRect(x, y, Math.max(w, 1.5 / (this.scale[0] * ratio)), Math.max(h, 1.5 / (this.scale[1] * ratio)));
  }

  /** The theme's colours by role, each looked up once. */
  colours() {
    const style = getComputedStyle(this.element);
    this.inks = { match: style.getPropertyValue("--wb-match"), select: style.getPropertyValue("--wb-select") };
    const known = new Map();
    return (role) => {
      if (!known.has(role)) known.set(role, style.getPropertyValue(`--graph-${role}`).trim() || style.color);
      return known.get(role);
    };
  }

  /** The role that colours a node: what is wrong with it, its place on the scale, or its kind. */
  roleOf(id, el) {
    const names = el.classList;
    if (names.contains("failed")) return "failed";
    const heat = this.pane.heat.classOf(id);
    if (heat && heat !== "heat-none") return heat;
    if (names.contains("nonfinite")) return "nonfinite";
    if (names.contains("box")) return "box-closed-stroke";
    const kind = [...names].find((name) => name !== "node" && !name.startsWith("wb-"));
    return `${MAP_KINDS.has(kind) ? kind : "op"}-stroke`;
  }

  /** What is selected, traced or found, over the picture. */
  mark() {
    if (!this.base || this.element.hidden) return;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.base, 0, 0);
    const ratio = devicePixelRatio || 1;
    const { search, trace, marks } = this.pane;
    this.dots(pen, search.matches.slice(0, MAP_MARKS), this.inks.match, 3 * ratio);
    this.dots(pen, [...trace.nodes].slice(0, MAP_MARKS), this.inks.select, 3 * ratio);
    if (marks.selected !== null) this.dots(pen, [marks.selected], this.inks.select, 6 * ratio);
  }

  dots(pen, ids, colour, size) {
    const ratio = devicePixelRatio || 1;
    pen.fillStyle = colour;
    for (const id of ids.filter((one) => this.pane.elementOf(one))) {
      const [x, y] = centre(this.pane.rect(id));
      pen.fillRect(x * this.scale[0] * ratio - size / 2, y * this.scale[1] * ratio - size / 2, size, size);
    }
  }

  // -- pointer ---------------------------------------------------------------------------------

  bind() {
    const { element } = this;
    element.addEventListener("pointerdown", (event) => this.grab(event));
    element.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, () => (this.held = null));
    element.addEventListener("wheel", (event) => this.pane.wheel(event), { passive: false });
  }

  /** Where in the drawing a pointer points. */
  spot(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / this.scale[0], (event.clientY - top) / this.scale[1]];
  }

  /** Hold the frame where it was taken; beside it, bring its middle there first. */
  grab(event) {
    if (event.button) return;
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    const [x, y] = this.spot(event);
    const { view, room } = this.pane;
    const seen = { x: -view.x / view.k, y: -view.y / view.k, w: room[0] / view.k, h: room[1] / view.k };
    const inside = x > seen.x && x < seen.x + seen.w && y > seen.y && y < seen.y + seen.h;
    this.held = inside ? [x - seen.x, y - seen.y] : [seen.w / 2, seen.h / 2];
    if (!inside) this.moveTo(x, y, true);
  }

  drag(event) {
    if (!this.held) return;
    if (event.buttons) this.moveTo(...this.spot(event));
    else this.held = null;
  }

  moveTo(x, y, smooth = false) {
    const { k } = this.pane.view;
    this.pane.moveTo({ x: (this.held[0] - x) * k, y: (this.held[1] - y) * k }, smooth);
  }

  destroy() {
    this.theme.disconnect();
    cancelAnimationFrame(this.request);
  }
}

const MAP_KINDS = new Set(["op", "input", "output", "parameter", "decision", "constant", "grad", "accumulate", "branch", "loop"]);
