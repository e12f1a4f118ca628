/* -- keyboard walk, search and legend of a graph pane ------------------------------------------- */

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
    };
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

// -- search ------------------------------------------------------------------------------------

const MATCH_RINGS = 300;

/** Finds nodes by words of their name, their card, their module and their line. */
class GraphSearch {
  constructor(pane) {
    this.pane = pane;
    this.matches = [];
    this.at = -1;
    const t = pane.hub.t;
    this.input = h("input", { type: "search", class: "wb-search", placeholder: t("search"), spellcheck: "false",
      autocomplete: "off", oninput: () => this.type(), onkeydown: (event) => this.key(event) });
    this.count = h("span", { class: "wb-count", role: "status" });
    this.steps = h("span", { class: "wb-steps", hidden: true },
      button("‹", t("previous"), () => this.step(-1)), button("›", t("next"), () => this.step(1)));
    this.element = h("div", { class: "wb-find" }, this.input, this.count, this.steps);
  }

  /** New content: find the same words again, move nothing. */
  refresh() {
    this.input.setAttribute("aria-label", this.pane.hub.t("searchIn", { title: this.pane.title }));
    this.texts = null;
    const current = this.matches[this.at];
    this.find();
    this.at = this.matches.indexOf(current);
    this.show();
  }

  type() {
    this.find();
    this.at = -1;
    this.show();
    if (this.matches.length) this.pane.reveal([this.matches[0]]);
  }

  find() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) this.matches = [];
    else {
      this.texts ??= [...this.pane.nodes.keys()].map((id) => [id, this.textOf(id)]);
      const found = this.texts.filter(([, text]) => words.every((word) => text.includes(word)));
      const named = (text) => (words.every((word) => text.split("\n", 1)[0].includes(word)) ? 0 : 1);
      this.matches = found.sort(([, a], [, b]) => named(a) - named(b)).map(([id]) => id); // by name first, else in order
    }
  }

  textOf(id) {
    const card = this.pane.hub.cardOf(this.pane.hub.item(this.pane.id, id)) || {};
    const tensors = (card.tensors || []).flatMap((tensor) => [tensor.name, tensor.shape, tensor.dtype]);
    return [this.pane.nameOf(id), id, card.title, card.subtitle, card.kind, ...(card.rows || []).flat(), ...tensors,
      card.source && `${card.source.file}:${card.source.line} ${card.source.text ?? ""}`].join("\n").toLowerCase();
  }

  show() {
    const { t } = this.pane.hub;
    const total = this.matches.length;
    const typed = this.input.value.trim() !== "";
    this.count.textContent = !typed ? "" : total ? `${this.at < 0 ? "–" : this.at + 1}/${total}` : t("noMatch");
    this.steps.hidden = !total;
    this.pane.paint();
  }

  /** Select the next (1) or previous (-1) match. */
  step(by) {
    const total = this.matches.length;
    if (!total) return;
    this.at = this.at < 0 ? (by > 0 ? 0 : total - 1) : (this.at + by + total) % total;
    const id = this.matches[this.at];
    this.pane.hub.select(this.pane.id, id, { origin: this.pane.id });
    this.pane.reveal([id]);
    this.show();
  }

  key(event) {
    if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  leave() {
    const id = this.matches[this.at];
    this.input.value = "";
    this.type();
    if (id) this.pane.focusNode(id, { show: false });
    else this.pane.viewport.focus({ preventScroll: true });
  }
}

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
  for (const part of copy.querySelectorAll("text, title, .box-toggle, .badge-plate, .mark")) part.remove();
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

/** Fill the legend when it is opened: outlines can be measured only where they are seen. */
function fillLegend(pane) {
  const { t } = pane.hub;
  const fill = () => {
    if (!pane.legend.open || !pane.svg || !pane.visible()) return;
    const rows = legendExamples(pane).map(([name, el, classes]) =>
      h("li", {}, nodeSwatch(el, name, classes), h("span", {}, t(`kind.${name}`))));
    const kindOf = (el) => [...el.classList].find((name) => name !== "edge" && !name.startsWith("wb-"));
    const edges = new Set([...pane.svg.querySelectorAll(".edge")].map(kindOf));
    const lines = [...edges].filter(Boolean).map((name) =>
      h("li", {}, edgeSwatch(`edge ${name}`), h("span", {}, t(`edge.${name}`))));
    pane.legend.querySelector("ul").replaceChildren(...rows, ...lines);
  };
  pane.legend.replaceChildren(h("summary", {}, t("legend")), h("ul", {}));
  pane.legend.ontoggle = fill;
  fill();
}
