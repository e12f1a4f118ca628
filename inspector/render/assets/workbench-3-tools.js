/* -- keyboard walk and legend of a graph pane ---------------------------------------------------- */

const DIRECTIONS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

function centre({ x, y, w, h }) {
  return [x + w / 2, y + h / 2];
}

/** Of `ids`, the one nearest to `from` in a direction; being off to the side counts double. */
function nearestInDirection(rects, from, ids, [dx, dy]) {
  const [cx, cy] = centre(rects.get(from));
  let best = null;
  let bestCost = Infinity;
  for (const id of ids) {
    if (id === from || !rects.has(id)) continue;
    const [x, y] = centre(rects.get(id));
    const ahead = (x - cx) * dx + (y - cy) * dy;
    const aside = Math.abs((x - cx) * dy) + Math.abs((y - cy) * dx);
    const cost = ahead + 2 * aside;
    if (ahead > 1 && cost < bestCost) [best, bestCost] = [id, cost];
  }
  return best;
}

/** The node that an arrow key leads to: up and down along edges first, else the nearest one. */
function stepFrom(pane, from, key) {
  const direction = DIRECTIONS[key];
  const rects = pane.nodeRects();
  const ends = (pane.edges.get(from) || []).flatMap((edge) => [edge.dataset.source, edge.dataset.target]);
  const alongEdge = direction[1] ? nearestInDirection(rects, from, ends, direction) : null;
  return alongEdge ?? nearestInDirection(rects, from, rects.keys(), direction);
}

/** The node nearest to the middle of what is seen. */
function middleNode(pane) {
  const { x, y, k } = pane.view;
  const [mx, my] = [(pane.room[0] / 2 - x) / k, (pane.room[1] / 2 - y) / k];
  let best = null;
  let bestDistance = Infinity;
  for (const [id, rect] of pane.nodeRects()) {
    const [cx, cy] = centre(rect);
    const distance = Math.hypot(cx - mx, cy - my);
    if (distance < bestDistance) [best, bestDistance] = [id, distance];
  }
  return best;
}

/** The closed box `id` itself, else the smallest open box around the node; null outside boxes. */
function boxAround(pane, id) {
  if (pane.nodes.get(id)?.classList.contains("box")) return id;
  const [x, y] = centre(pane.rect(id));
  const around = [...pane.boxes.keys()].map((box) => [box, pane.rect(box)])
    .filter(([, rect]) => x > rect.x && x < rect.x + rect.w && y > rect.y && y < rect.y + rect.h);
  around.sort(([, a], [, b]) => a.w * a.h - b.w * b.h);
  return around.length ? around[0][0] : null;
}

Object.assign(GraphPane.prototype, {
  bindKeys() {
    this.viewport.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.svg) return;
      if (this.key(event)) event.preventDefault();
    });
    this.viewport.addEventListener("focusin", () => this.paintCursor());
    this.viewport.addEventListener("focusout", () => this.overlay.querySelector(".wb-ring-cursor")?.remove());
  },

  /** Id of the node that has the keyboard focus, else null. */
  cursor() {
    const active = this.viewport.getRootNode().activeElement;
    const id = active && this.viewport.contains(active) ? active.dataset.id : undefined;
    return this.nodes?.has(id) ? id : null;
  },

  /** Act on a key; whether it meant anything here. */
  key(event) {
    const id = this.cursor();
    if (event.key in DIRECTIONS) return this.walk(event.key, id);
    if (event.key === "Enter" && id) return this.hub.select(this.id, id, { origin: this.id }), true;
    if (event.key === " " && id) return this.toggleAround(id);
    const actions = {
      "+": () => this.zoomBy(1.25), "=": () => this.zoomBy(1.25), "-": () => this.zoomBy(1 / 1.25),
      0: () => this.actualSize(), f: () => this.fit("fit", true), F: () => this.fit("fit", true),
      n: () => this.search.step(1), N: () => this.search.step(-1),
      p: () => this.trace.toggle("up"), c: () => this.trace.toggle("down"), o: () => this.minimap.toggle(),
      h: () => this.heat.step(1), H: () => this.heat.step(-1),
      v: () => this.runs.step(1), V: () => this.runs.step(-1), s: () => this.relations.toggle(),
    };
    if (event.key === "Escape" && this.trace.direction) return this.trace.clear(), true;
    actions[event.key]?.();
    return event.key in actions;
  },

  walk(key, from) {
    const start = from ?? (this.nodes.has(this.marks.selected) ? this.marks.selected : null);
    const next = start ? stepFrom(this, start, key) : middleNode(this);
    if (next) this.focusNode(next);
    return true;
  },

  toggleAround(id) {
    const box = boxAround(this, id);
    if (box) this.toggle(box);
    return true;
  },

  focusNode(id, { show = true } = {}) {
    this.nodes.get(id)?.focus({ preventScroll: true, focusVisible: true });
    if (show) this.reveal([id]);
    this.paintCursor();
  },
});

Object.assign(LABELS, {
  "edge.carried": "to the next trip of a loop", "box.module": "module call", "box.block": "block of the IR", "box.call": "called method",
  "box.step": "training step", "box.loop": "loop", "box.trip": "trip of a loop", "box.repeat": "equal calls in a row",
  "box.range": "part of a long row",
});

// -- legend ------------------------------------------------------------------------------------

const FLAGS = ["failed", "inplace", "view", "nonfinite", "executed", "skipped", "accumulated",
  "new", "gone", "fused", "unrolled", "replaced"];

/** What is measured in `box`, drawn small; strokes keep their width, shapes fill the swatch. */
function swatch(copy, { x, y, width, height }, fill) {
  const viewBox = `${x - 2} ${y - 2} ${width + 4} ${height + 4}`;
  return s("svg", { class: "graph wb-swatch", viewBox, "aria-hidden": "true", preserveAspectRatio: fill ? "none" : "xMidYMid" }, copy);
}

/** A small copy of a node without its texts, or, for a flag that has a mark, of the mark alone. */
function nodeSwatch(el, name, classes) {
  const mark = el.querySelector(`.mark-${name}`);
  const copy = (mark || el).cloneNode(true);
  for (const part of copy.querySelectorAll("text, title, .box-toggle, .badge-plate, .mark, .wb-chip-heat")) part.remove();
  for (const attribute of ["transform", "tabindex", "role", "aria-label", "data-id"]) copy.removeAttribute(attribute);
  if (mark) return swatch(copy, mark.getBBox(), false);
  copy.setAttribute("class", classes);
  return swatch(copy, (el.querySelector(".outline") || el).getBBox(), true);
}

function edgeSwatch(classes) {
  const line = s("path", { d: "M2 9H34", fill: "none" });
  return s("svg", { class: "graph wb-swatch", viewBox: "0 0 36 18", "aria-hidden": "true" }, s("g", { class: classes }, line));
}

/** One example per kind and per flag of the nodes drawn: [class, element], kinds first. */
function legendExamples(pane) {
  const kinds = new Map();
  const flags = new Map();
  for (const el of pane.nodes.values()) {
    const names = [...el.classList].filter((name) => name !== "node" && !name.startsWith("wb-"));
    for (const name of names.filter((one) => FLAGS.includes(one))) if (!flags.has(name)) flags.set(name, el);
    const kind = names.find((name) => !FLAGS.includes(name));
    const plain = names.length === 1;
    if (kind && (!kinds.has(kind) || (plain && !kinds.get(kind).plain))) kinds.set(kind, { el, plain });
  }
  return [...[...kinds].map(([kind, { el }]) => [kind, el, `node ${kind}`]),
    ...[...flags].map(([flag, el]) => [flag, el, `node ${flag} ${[...el.classList].find((name) => kinds.has(name)) ?? ""}`])];
}

/** One row per kind of open box. */
function legendBoxes(pane) {
  const kinds = new Set([...pane.boxes.values()].map((el) => [...el.classList].find((name) => name !== "box" && !/^(wb-|level-)/.test(name))));
  return [...kinds].filter(Boolean).map((kind) => {
    const frame = s("g", { class: `box ${kind}` }, s("rect", { x: 1, y: 1, width: 32, height: 16, rx: 4 }));
    const drawn = s("svg", { class: "graph wb-swatch", viewBox: "0 0 34 18", "aria-hidden": "true" }, frame);
    return h("li", {}, drawn, h("span", {}, pane.hub.t(`box.${kind}`)));
  });
}

/** Fill the legend when it is opened: outlines can be measured only where they are seen. */
function fillLegend(pane) {
  const { t } = pane.hub;
  const fill = () => {
    if (!pane.legend.open || !pane.svg || !pane.visible()) return;
    const kind = (name) => (pane.hub.data.compare && `pair.${name}` in LABELS ? `pair.${name}` : `kind.${name}`);
    const rows = legendExamples(pane).map(([name, el, classes]) =>
      h("li", {}, nodeSwatch(el, name, classes), h("span", {}, t(kind(name)))));
    const kindOf = (el) => [...el.classList].find((name) => name !== "edge" && !name.startsWith("wb-"));
    const edges = new Set([...pane.svg.querySelectorAll(".edge")].map(kindOf));
    const lines = [...edges].filter(Boolean).map((name) =>
      h("li", {}, edgeSwatch(`edge ${name}`), h("span", {}, t(`edge.${name}`))));
    pane.legend.querySelector("ul").replaceChildren(...rows, ...legendCounts(pane), ...legendBoxes(pane), ...lines, ...legendRelations(pane));
  };
  pane.legend.replaceChildren(h("summary", {}, t("legend")), h("ul", {}));
  pane.legend.ontoggle = fill;
  fill();
}
