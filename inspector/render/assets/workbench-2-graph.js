/* -- GraphPane: one SVG with pan, zoom and marks ------------------------------------------------ */

const PADDING = 10;
const MAX_FIT = 1.25; // a graph of two nodes is not blown up to fill the pane
const READABLE = 0.7; // below this scale the small text of a node cannot be read
const OVERVIEW = 0.2; // below this one two drawings with nothing in common are no picture, either
const FOOT = 40; // px; what the legend and the buttons take at the bottom
const PRESENTED = { most: 2, foot: 56 }; // of what is presented: it is read from the back of a room
const MARGIN = 20; // px of a drawing that are empty below its last node
const MIN_SCALE = 0.03;
const MAX_SCALE = 5;
const DRAG_THRESHOLD = 4; // px; a smaller movement is still a click
const LINKED_RINGS = 500;

/** Whether two rectangles {x, y, w, h} have a point in common. */
function covering(a, b) {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/* `hub` is the Workbench: it owns the selection, the card and the texts. A pane keeps its `view`
 * {x, y, k, mode} there, so that pan and zoom outlive the DOM. `mode` is "start" (first show),
 * "fit" (all of it) or "free" (the user moved it); the first two follow the pane's size. */
class GraphPane {
  constructor(hub, spec) {
    this.hub = hub;
    this.name = spec.id;
    this.id = spec.mirrors ?? spec.id; // of the items that it draws
    this.view = hub.memory.views[this.id] ??= { x: 0, y: 0, k: 1, mode: "start" };
    this.marks = { selected: null, linked: new Set() };
    this.svgText = undefined;
    this.anchor = null;
    this.size = [0, 0];
    this.room = [0, 0];
    this.untouched = true; // nothing was clicked or typed yet: the page is still being put together
    for (const name of ["pointerdown", "keydown"]) hub.element.addEventListener(name, () => (this.untouched = false), { capture: true, once: true });
    this.search = new GraphSearch(this);
    this.minimap = new Minimap(this);
    this.trace = new Trace(this);
    this.relations = new Relations(this);
    this.heat = new Heat(this);
    this.runs = new RunSwitch(this);
    this.build(spec);
    this.bindPointer();
    this.bindKeys();
    this.resizes = new ResizeObserver(() => this.resized());
    this.resizes.observe(this.viewport);
  }

  build(spec) {
    const t = this.hub.t;
    this.overlay = s("svg", { class: "wb-overlay", "aria-hidden": "true" });
    this.stage = h("div", { class: "wb-stage" });
    this.message = h("p", { class: "wb-empty" });
    this.hint = h("p", { class: "wb-hint", "aria-hidden": "true" });
    this.legend = h("details", { class: "wb-legend" });
    const zoom = (factor) => () => this.zoomBy(factor);
    this.zoomButtons = h("div", { class: "wb-zoom", role: "group" },
      button("−", t("zoomOut"), zoom(1 / 1.25)), button("+", t("zoomIn"), zoom(1.25)),
      button(t("fit"), t("fitHint"), () => this.fit("fit", true)),
      button(t("actual"), t("actualHint"), () => this.actualSize()), h("span", { class: "wb-gap" }),
      this.trace.buttons, this.relations.button, this.minimap.button);
    this.viewport = h("div", { class: "wb-viewport", tabindex: "0", role: "application",
      "aria-label": t("graphHint", { title: spec.title }) }, this.stage, this.hint);
    this.note = h("p", { class: "wb-note" });
    this.element = h("div", { class: "wb-pane" },
      h("div", { class: "wb-bar" }, this.note, this.runs.element, this.heat.select, this.search.element),
      h("div", { class: "wb-canvas" }, this.viewport, this.message, this.heat.scale, this.trace.element,
        this.relations.element, this.minimap.element, this.legend, this.zoomButtons));
  }

  // -- content ---------------------------------------------------------------------------------

  update(spec) {
    this.title = spec.title;
    this.note.textContent = this.note.title = spec.note || "";
    const empty = spec.waits ? this.hub.t("drawing") : spec.empty;
    if ((spec.svg ?? null) !== this.svgText) this.setSvg(spec.svg ?? null, empty);
    else if (!this.svg) this.message.textContent = empty || this.hub.t("empty");
    this.search.refresh();
    this.heat.refresh();
    this.runs.refresh();
  }

  setSvg(text, empty) {
    const focused = this.cursor();
    const held = this.anchor && this.screenSpot(this.anchor);
    const glide = new Glide(this); // what was drawn, before it is gone
    this.svgText = text;
    this.svg = parseSvg(text);
    this.stage.replaceChildren(...(this.svg ? [this.svg, this.overlay] : []));
    this.message.hidden = Boolean(this.svg);
    this.message.textContent = empty || this.hub.t(text ? "badSvg" : "empty");
    for (const part of [this.search.element, this.zoomButtons, this.legend]) part.hidden = !this.svg;
    this.index();
    this.trace.forget();
    fillLegend(this);
    this.place(held ?? glide.held());
    glide.play();
    this.minimap.redraw();
    if (this.nodes.has(focused)) this.focusNode(focused, { show: false });
    else if (focused) this.viewport.focus({ preventScroll: true }); // its box was opened: keys go on in this graph
  }

  /** Nodes, boxes and edges by id; a node's own name for those who cannot see it. */
  index() {
    this.nodes = new Map();
    this.boxes = new Map();
    this.edges = new Map();
    this.touched = [];
    this.rects = new Map();
    if (!this.svg) return;
    const [width, height] = (this.size = drawingSize(this.svg));
    for (const svg of [this.svg, this.overlay]) svg.setAttribute("style", `width:${width}px;height:${height}px`);
    this.overlay.setAttribute("viewBox", this.svg.getAttribute("viewBox") || `0 0 ${width} ${height}`);
    for (const el of this.svg.querySelectorAll(".node[data-id]")) {
      const title = el.querySelector(":scope > title");
      if (title && !el.hasAttribute("aria-label")) el.setAttribute("aria-label", title.textContent);
      title?.remove(); // the browser's own tooltip would cover ours
      this.nodes.set(el.dataset.id, el);
    }
    for (const el of this.svg.querySelectorAll(".box[data-id]:not(.node)")) this.boxes.set(el.dataset.id, el);
    for (const el of this.svg.querySelectorAll(".edge")) this.indexEdge(el);
    const first = this.nodes.values().next().value;
    this.targets = s("g", { class: "wb-edge-hits", "aria-hidden": "true" }); // below the nodes: they are hit first
    if (first) first.before(this.targets);
  }

  indexEdge(el) {
    for (const id of new Set([el.dataset.source, el.dataset.target])) {
      if (!this.edges.has(id)) this.edges.set(id, []);
      this.edges.get(id).push(el);
    }
  }

  elementOf(id) {
    return this.nodes.get(id) || this.boxes.get(id);
  }

  /** What a node is called: its accessible name, else its texts. */
  nameOf(id) {
    const el = this.elementOf(id);
    if (!el) return id;
    return el.getAttribute("aria-label") || el.querySelector("text")?.textContent || id;
  }

  /** The big line of a node as it is drawn, else its name. */
  titleOf(id) {
    return this.elementOf(id)?.querySelector(":scope > .title, :scope > .box-title")?.textContent || this.nameOf(id);
  }

  // -- geometry --------------------------------------------------------------------------------

  /* The size is read when it changes, not when it is needed: between two changes of the page a
   * read makes the browser lay out thousands of texts again. */
  measure() {
    this.room = [this.viewport.clientWidth, this.viewport.clientHeight];
  }

  visible() {
    return this.room[0] > 0 && this.room[1] > 0;
  }

  /* Rectangle of an element in the stage's unscaled px; right in the middle of a smooth pan, too.
   * Where the drawing itself says it, nothing is measured: that takes 0.1 s for 5,000 nodes. */
  rectOf(el) {
    const [left, top, width, height] = (el.dataset.rect || "").split(" ").map(Number);
    if (height > 0) return { x: left, y: top, w: width, h: height };
    const [w, h] = (el.dataset.size || "").split(" ").map(Number);
    const [x, y] = el.transform.baseVal.length ? [el.transform.baseVal[0].matrix.e, el.transform.baseVal[0].matrix.f] : [NaN, NaN];
    if (h > 0 && !Number.isNaN(x)) return { x, y, w, h };
    const stage = this.svg.getBoundingClientRect();
    const scale = stage.width / this.size[0] || 1;
    const seen = el.getBoundingClientRect();
    return { x: (seen.left - stage.left) / scale, y: (seen.top - stage.top) / scale, w: seen.width / scale, h: seen.height / scale };
  }

  /** Rectangle of a node or box, remembered as long as the drawing stays. */
  rect(id) {
    if (!this.rects.has(id)) this.rects.set(id, this.rectOf(this.elementOf(id)));
    return this.rects.get(id);
  }

  nodeRects() {
    return new Map([...this.nodes.keys()].map((id) => [id, this.rect(id)]));
  }

  /** Where the top left corner of a box or node stands in the viewport now, in px; else null. */
  screenSpot(id) {
    if (!this.visible() || !this.elementOf(id)) return null;
    const { x, y } = this.rect(id);
    return { id, x: this.view.x + x * this.view.k, y: this.view.y + y * this.view.k };
  }

  // -- pan and zoom ----------------------------------------------------------------------------

  /** Put new content in the view: a toggled box stays where it was, a fitted graph stays fitted. */
  place(held) {
    if (!this.svg || !this.visible()) return;
    this.apply();
    if (held) {
      const now = this.screenSpot(held.id);
      if (now) {
        this.anchor = null;
        this.moveTo({ x: this.view.x + held.x - now.x, y: this.view.y + held.y - now.y });
      }
    } else if (this.view.mode !== "free" || this.offScreen()) this.fit(this.view.mode === "fit" ? "fit" : "start");
    this.paint();
  }

  offScreen() {
    const { x, y, k } = this.view;
    const [w, h] = this.size;
    return x + w * k < PADDING || y + h * k < PADDING || x > this.room[0] - PADDING || y > this.room[1] - PADDING;
  }

  /** The pane changed its size, or was shown or hidden: a hidden one catches up on what it missed. */
  resized() {
    const [width, height] = this.room;
    this.measure();
    if (!this.svg || !this.visible()) return this.minimap.follow();
    if (width === this.room[0] && height === this.room[1]) return undefined;
    // The card below grows when something is selected: the graph above it must not jump then.
    const lower = width === this.room[0] && this.room[1] < height && this.view.mode !== "fit" && !this.untouched;
    if (!lower && (this.view.mode !== "free" || this.offScreen())) this.fit(this.view.mode === "fit" ? "fit" : "start");
    this.apply();
    this.paint();
    const kept = this.pendingReveal ?? ((lower || this.untouched) && this.elementOf(this.marks.selected) ? [this.marks.selected] : null);
    if (kept) this.reveal(kept, Boolean(lower));
    return undefined;
  }

  /** Show all ("fit"), or begin at the top at a size that can be read ("start"). */
  fit(mode, smooth = false) {
    const [W, H] = this.hub.commonRoom(this);
    const [w, h] = this.size;
    const content = Math.max(h - MARGIN, 1);
    const { most, foot } = this.hub.element.matches(".wb-large, .wb-present") ? PRESENTED : { most: MAX_FIT, foot: FOOT };
    const whole = Math.max(Math.min(most, (W - 2 * PADDING) / w, (H - foot) / content), MIN_SCALE);
    const all = mode === "fit" || whole >= READABLE || (this.apart() && whole >= OVERVIEW);
    const k = all ? whole : clamp((W - 2 * PADDING) / w, READABLE, 0.9);
    const y = all ? Math.max((H - foot - content * k) / 2, 0) : PADDING; // the buttons cover nothing
    this.moveTo({ k, x: (W - w * k) / 2, y, mode }, smooth);
    // Wider than the pane: begin at the topmost node, but never with room left empty at a side.
    if (w * k > W) this.view.x = clamp(W / 2 - this.topNodeCentre() * k, W - PADDING - w * k, PADDING);
    this.apply();
  }

  /** Whether two runs without anything in common are drawn: to begin at one node would show neither. */
  apart() {
    return Boolean(this.hub.data.compare) && [...this.nodes.values()].every((el) => el.matches(".only-a, .only-b"));
  }

  /** Horizontal centre of the topmost node: a wide graph begins there. */
  topNodeCentre() {
    let top = null;
    for (const rect of this.nodeRects().values()) if (!top || rect.y < top.y) top = rect;
    return top ? top.x + top.w / 2 : this.size[0] / 2;
  }

  actualSize() {
    this.zoomBy(1 / this.view.k);
  }

  /** Scale by `factor`, keeping the point (px in the viewport; its centre if left out) in place. */
  zoomBy(factor, at = { x: this.room[0] / 2, y: this.room[1] / 2 }, smooth = true) {
    const { x, y, k } = this.view;
    const next = clamp(k * factor, MIN_SCALE, MAX_SCALE);
    this.moveTo({ k: next, x: at.x - ((at.x - x) * next) / k, y: at.y - ((at.y - y) * next) / k }, smooth);
  }

  moveTo(view, smooth = false) {
    Object.assign(this.view, { mode: "free" }, view);
    this.stage.classList.toggle("wb-smooth", smooth && !reducedMotion());
    this.apply();
  }

  /* The promotion to a layer keeps panning at 60 fps, but a promoted layer is not redrawn at a
   * new scale: it is dropped when the view rests, and the text is sharp again. */
  apply() {
    this.showView();
    for (const other of this.hub.besides(this)) other.showView(this);
  }

  showView() {
    const { x, y, k } = this.view;
    this.stage.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px) scale(${k})`;
    this.stage.classList.add("wb-moving");
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.stage.classList.remove("wb-moving", "wb-smooth"), 320);
    this.hub.hideTip();
    this.minimap.follow();
  }

  /** Pan, without zooming, until one of `ids` is in view; nothing moves when one is already. */
  reveal(ids, smooth = true) {
    this.pendingReveal = null;
    const drawn = ids.filter((id) => this.elementOf(id));
    if (!drawn.length) return;
    if (!this.visible()) {
      this.pendingReveal = ids;
      return;
    }
    const rects = drawn.slice(0, LINKED_RINGS).map((id) => this.rect(id));
    const covers = this.covers();
    if (rects.some((rect) => this.inView(rect, covers))) return;
    const { x, y, w, h } = rects[0];
    const k = this.view.k;
    const free = this.freeArea(covers, w * k, h * k);
    const mode = this.untouched ? this.view.mode : "free"; // the card may open yet, and the picture is fitted again
    this.moveTo({ mode, x: free.x + free.w / 2 - (x + w / 2) * k, y: Math.max(free.y + free.h / 2 - (y + h / 2) * k, free.y + PADDING - y * k) }, smooth);
  }

  /** What lies over the drawing now, as rectangles in the viewport: minimap, buttons, legend, forms. */
  covers() {
    const { left, top, right, bottom } = this.viewport.getBoundingClientRect();
    const over = [...this.viewport.parentElement.children].filter((el) => el !== this.viewport);
    return [...over, this.hub.element.querySelector(".wb-until")].filter(Boolean).map((el) => el.getBoundingClientRect())
      .filter((r) => r.width > 0 && r.height > 0 && r.right > left && r.left < right && r.bottom > top && r.top < bottom)
      .map((r) => ({ x: r.left - left, y: r.top - top, w: r.width, h: r.height }));
  }

  /** A part of the pane that nothing covers, the largest that begins or ends at a cover: for `w` by `h` px where one is so large. */
  freeArea(covers, w, h) {
    const [W, H] = this.room;
    const tops = [0, ...covers.map((one) => clamp(one.y + one.h, 0, H))];
    const bottoms = [H, ...covers.map((one) => clamp(one.y, 0, H))];
    const lefts = [0, ...covers.map((one) => clamp(one.x + one.w, 0, W))];
    const rights = [W, ...covers.map((one) => clamp(one.x, 0, W))];
    let best = { x: 0, y: 0, w: W, h: H, value: -1 };
    for (const x of lefts) for (const y of tops) for (const right of rights) for (const bottom of bottoms) {
      const area = { x, y, w: right - x, h: bottom - y };
      if (area.w <= 0 || area.h <= 0 || covers.some((one) => covering(one, area))) continue;
      area.value = area.w * area.h * (area.w >= w && area.h >= h ? 1000 : 1);
      if (area.value > best.value) best = area;
    }
    return best;
  }

  /** Whether a rectangle can be seen: all of it, or as much as the pane can hold, and nothing covers its middle. */
  inView({ x, y, w, h }, covers = []) {
    const { x: left, y: top, k } = this.view;
    const middle = { x: left + (x + w / 2) * k, y: top + (y + h / 2) * k, w: 0, h: 0 };
    const small = w * k < this.room[0] / 2 && h * k < this.room[1] / 2; // of a large box enough is seen beside it
    const over = small ? { x: left + x * k, y: top + y * k, w: w * k, h: h * k } : middle;
    if (covers.some((one) => covering(one, over))) return false;
    const span = (from, size, room) => Math.min(from + size, room) - Math.max(from, 0) >= Math.min(size, room * 0.6) - 1;
    return span(left + x * k, w * k, this.room[0]) && span(top + y * k, h * k, this.room[1]);
  }

  // -- marks -----------------------------------------------------------------------------------

  setMarks(marks) {
    this.marks = marks;
    this.trace.selected(marks.selected);
    this.paint();
  }

  /** Rings, and the neighbourhood of the selected node. A hidden pane draws them when shown. */
  paint() {
    const rings = this.svg && this.visible() ? this.rings() : []; // measured before anything changes
    for (const el of this.touched) el.classList.remove("wb-near", "wb-hot", "wb-lit", "wb-chosen", "wb-path");
    this.touched = [];
    this.overlay.replaceChildren(...(this.svg && this.visible() ? spotlight(this) : []), ...rings);
    if (!this.svg) return;
    this.targets.replaceChildren(...edgeTargets(this));
    const { selected, linked } = this.marks;
    const chosen = this.elementOf(selected);
    if (chosen) this.touch(chosen, "wb-chosen");
    for (const id of linked) if (this.elementOf(id)) this.touch(this.elementOf(id), "wb-lit");
    for (const edge of this.edges.get(selected) || []) this.paintEdge(edge);
    this.trace.paint();
    this.paintCursor();
    this.minimap.mark();
  }

  rings() {
    const { selected, linked } = this.marks;
    return [...this.search.matches.slice(0, MATCH_RINGS).map((id) => this.ring(id, "match")),
      ...[...linked].slice(0, LINKED_RINGS).map((id) => this.ring(id, "linked")), this.ring(selected, "selected")].filter(Boolean);
  }

  paintEdge(edge) {
    this.touch(edge, "wb-hot");
    for (const end of [edge.dataset.source, edge.dataset.target]) {
      if (this.elementOf(end)) this.touch(this.elementOf(end), "wb-near");
    }
  }

  touch(el, name) {
    el.classList.add(name);
    this.touched.push(el);
  }

  /** A ring around a node or box, or null when it is not drawn. */
  ring(id, kind) {
    if (!this.elementOf(id)) return null;
    const { x, y, w, h } = this.rect(id);
    const { x: left, y: top } = this.overlay.viewBox.baseVal;
    const gap = kind === "cursor" ? 8 : 5;
    return s("rect", { class: `wb-ring wb-ring-${kind}`, "data-for": id, rx: 8,
      x: left + x - gap, y: top + y - gap, width: w + 2 * gap, height: h + 2 * gap });
  }

  paintCursor() {
    this.overlay.querySelector(".wb-ring-cursor")?.remove();
    const id = this.cursor();
    if (id && this.nodes.get(id)?.matches(":focus-visible")) this.overlay.append(this.ring(id, "cursor"));
  }

  // -- pointer ---------------------------------------------------------------------------------

  bindPointer() {
    const on = (name, handler, options) => this.viewport.addEventListener(name, handler, options);
    this.pointers = new Map();
    on("pointerdown", (event) => this.pointerDown(event));
    on("pointermove", (event) => this.pointerMove(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) on(name, (event) => this.pointerUp(event));
    on("pointerleave", () => this.hub.hideTip());
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("click", (event) => this.click(event));
    on("dblclick", (event) => this.doubleClick(event));
  }

  spot(event) {
    const { left, top } = this.viewport.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  pointerDown(event) {
    if (event.pointerType === "mouse" && event.button > 1) return;
    if (!this.pointers.size) this.dragged = false;
    this.pointers.set(event.pointerId, { ...this.spot(event), start: this.spot(event) });
  }

  pointerMove(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.hover(event);
    if (!event.buttons) return this.pointerUp(event); // let go outside of the pane
    const now = this.spot(event);
    if (!this.dragged && Math.hypot(now.x - before.start.x, now.y - before.start.y) < DRAG_THRESHOLD) return undefined;
    if (!this.dragged) this.viewport.setPointerCapture(event.pointerId);
    this.dragged = true;
    this.viewport.classList.add("wb-dragging");
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    this.pointers.set(event.pointerId, { ...now, start: before.start });
    if (others.length) return this.pinch(before, now, others[0]);
    return this.moveTo({ x: this.view.x + now.x - before.x, y: this.view.y + now.y - before.y });
  }

  pinch(before, now, other) {
    const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    this.zoomBy(distance(now) / distance(before), middle, false);
  }

  pointerUp(event) {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size) return;
    this.viewport.classList.remove("wb-dragging");
    setTimeout(() => (this.dragged = false)); // after the click that ends a drag
  }

  /* A wheel over the graph scrolls the page, unless it is asked to zoom: the graph fills most of
   * the screen, and a page that cannot be scrolled past it is a trap. */
  wheel(event) {
    const asked = event.ctrlKey || event.metaKey || this.viewport.matches(":focus-within");
    if (!asked) return this.showHint();
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 400 : 1;
    const delta = event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.002);
    return this.zoomBy(clamp(Math.exp(-delta), 0.8, 1.25), this.spot(event), false);
  }

  showHint() {
    this.hint.textContent = this.hub.t(/Mac|iPhone|iPad/.test(navigator.platform) ? "wheelMac" : "wheel");
    this.hint.classList.add("wb-on");
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => this.hint.classList.remove("wb-on"), 1200);
  }

  /** Id of the node, or of the box whose title was hit, below a pointer event; else null. */
  hit(event) {
    const target = event.target instanceof Element ? event.target : null;
    const node = target?.closest(".node[data-id]");
    if (node) return node.dataset.id;
    const id = target?.closest(".box-title") && target.closest(".box[data-id]")?.dataset.id;
    return id && this.hub.item(this.id, id) ? id : null;
  }

  hover(event) {
    const id = event.pointerType === "touch" ? null : this.hit(event);
    if (id) this.hub.showTip(this, id, event);
    else if (event.target.of) showEdgeTip(this, event.target, event);
    else this.hub.hideTip();
  }

  click(event) {
    if (this.dragged) return;
    const toggle = event.target.closest?.(".box-toggle")?.closest("[data-id]");
    if (toggle) this.toggle(toggle.dataset.id);
    else if (this.hit(event)) this.hub.select(this.id, this.hit(event), { origin: this.id });
  }

  doubleClick(event) {
    const box = event.target.closest?.(".node.box[data-id]");
    if (box && !event.target.closest(".box-toggle")) this.toggle(box.dataset.id);
    else if (!event.target.closest?.(".node, .box-title, .box-toggle")) this.fit("fit", true);
  }

  /** Ask for a box to be opened or closed; when the new drawing comes, the box keeps its place. */
  toggle(id) {
    this.anchor = id;
    this.hub.toggle(this.id, id);
  }

  destroy() {
    this.resizes.disconnect();
    this.search.destroy();
    this.minimap.destroy();
    this.runs.close();
    clearTimeout(this.rest);
    clearTimeout(this.hintTimer);
  }
}
