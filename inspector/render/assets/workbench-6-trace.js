/* -- producers and consumers: all that a node comes from, all that comes of it --------------------- */

Object.assign(LABELS, {
  producers: "Producers: all that this comes from (P)", consumers: "Consumers: all that comes of this (C)",
  "trace.up": "{n} producers of {name}", "trace.down": "{n} consumers of {name}",
  "trace.up.one": "1 producer of {name}", "trace.down.one": "1 consumer of {name}",
  "trace.up.none": "Nothing drawn here produces {name}", "trace.down.none": "Nothing drawn here consumes {name}",
  traceNone: "Select a node first, then ask what it comes from.", traceEnd: "Show everything again (Esc)",
  "help.trace": "P, C | light up all producers (P) or consumers (C) of the node; again, or Esc: everything",
});
HELP_ROWS.splice(-2, 0,
  "help.trace");

/** The node that a copy beside one of its uses stands for ("op:3@op:9" is op:3 again). */
function originalOf(id) {
  return /@(from:)?\w+:/.test(id) ? id.slice(0, id.indexOf("@")) : id;
}

/** What flows from node to node in a drawing: {up, down}, each id -> [[edge, the other id]]. */
function flowOf(pane) {
  const up = new Map();
  const down = new Map();
  const add = (map, from, edge, to) => (map.has(from) ? map.get(from).push([edge, to]) : map.set(from, [[edge, to]]));
  for (const [id, edges] of pane.edges) {
    for (const edge of edges) {
      const { source, target } = edge.dataset;
      if (id !== source || edge.classList.contains("control") || edge.classList.contains("vanished")) continue;
      const [from, to] = edge.classList.contains("up") ? [target, source] : [source, target];
      add(down, from, edge, to);
      add(up, to, edge, from);
    }
  }
  return { up, down };
}

class Trace {
  constructor(pane) {
    this.pane = pane;
    this.nodes = new Set();
    this.edges = new Set();
    this.direction = null;
    const t = pane.hub.t;
    this.text = h("span", {});
    this.element = h("div", { class: "wb-traced", hidden: true }, this.text,
      button("×", t("traceEnd"), () => this.clear()));
    this.buttons = [button("⇡", t("producers"), () => this.toggle("up"), { "aria-pressed": "false" }),
      button("⇣", t("consumers"), () => this.toggle("down"), { "aria-pressed": "false" })];
  }

  /** A new drawing: its edges are others, and so is what was lit. */
  forget() {
    this.flow = null;
    this.copies = null;
    this.clear({ tell: false });
    this.pane.relations.forget();
  }

  /** Light up the producers ("up") or consumers ("down") of the focused or else the selected node. */
  toggle(direction, id = this.pane.cursor() ?? this.pane.marks.selected) {
    const { hub } = this.pane;
    if (this.direction === direction && (id === null || id === this.from)) return this.clear();
    if (id === null || !this.pane.nodes.has(id)) {
      hub.live.textContent = hub.t("traceNone");
      return this.say(hub.t("traceNone"));
    }
    [this.direction, this.from] = [direction, id];
    this.reach(id, direction);
    const count = new Set([...this.nodes].map(originalOf)).size - 1;
    const key = `trace.${direction}${count > 1 ? "" : count ? ".one" : ".none"}`;
    const told = hub.t(key, { n: count.toLocaleString("en"), name: this.pane.titleOf(id) });
    hub.live.textContent = told;
    this.say(told);
    return this.pane.paint();
  }

  /** All that can be reached along the flow; a copy stands for its original, in both ways. */
  reach(start, direction) {
    this.flow ??= flowOf(this.pane);
    this.nodes = new Set();
    this.edges = new Set();
    const waiting = this.alsoAs(start, direction, true);
    for (const id of waiting) this.nodes.add(id);
    while (waiting.length) {
      for (const [edge, other] of this.flow[direction].get(waiting.pop()) || []) {
        this.edges.add(edge);
        for (const id of this.alsoAs(other, direction)) {
          if (this.nodes.has(id)) continue;
          this.nodes.add(id);
          waiting.push(id);
        }
      }
    }
  }

  /** A node as itself, its original, and those of its copies that the flow goes on from. */
  alsoAs(id, direction, start = false) {
    if (!this.copies) {
      this.copies = new Map();
      for (const one of this.pane.nodes.keys()) {
        const original = originalOf(one);
        if (one !== original) this.copies.set(original, [...(this.copies.get(original) || []), one]);
      }
    }
    const original = originalOf(id);
    const onward = (this.copies.get(original) || []).filter((copy) => this.flow[direction].has(copy));
    const drawn = this.pane.nodes.has(original) ? [original] : [];
    return [...new Set([id, ...drawn, ...(start || drawn.length ? onward : [])])];
  }

  say(text) {
    this.text.textContent = text;
    this.element.hidden = false;
    this.press();
  }

  press() {
    this.buttons.forEach((one, at) => one.setAttribute("aria-pressed", String(this.direction === ["up", "down"][at])));
  }

  /** The selection went elsewhere: what was lit belongs to the one before. */
  selected(id) {
    if (this.direction && id !== this.from) this.clear({ tell: false });
    this.pane.relations.selected(id);
  }

  clear({ tell = true } = {}) {
    this.element.hidden = true;
    if (!this.direction) return;
    this.direction = null;
    this.from = null;
    this.nodes = new Set();
    this.edges = new Set();
    this.press();
    if (tell) this.pane.hub.live.textContent = this.pane.hub.t("cleared");
    this.pane.paint();
  }

  /** Mark what is lit; the pane takes the marks away again when it paints anew. */
  paint() {
    for (const id of this.nodes) this.pane.touch(this.pane.elementOf(id), "wb-path");
    for (const edge of this.edges) this.pane.touch(edge, "wb-path");
  }
}

// -- what is lit stands out -----------------------------------------------------------------------

/* A veil over the drawing, with holes where the lit nodes are, and the lit edges drawn over it. The
 * drawing itself stays as it is: to dim 1,000 nodes by their classes takes 0.2 s, this a few ms. */
function spotlight(pane) {
  const { trace, heat, marks, overlay } = pane;
  const over = pane.relations.drawn();
  const tracing = trace.direction !== null;
  if (!tracing && (heat.measure || !pane.elementOf(marks.selected))) return over;
  const edges = tracing ? [...trace.edges] : pane.edges.get(marks.selected) || [];
  const ends = tracing ? [] : edges.flatMap((edge) => [edge.dataset.source, edge.dataset.target]);
  const ids = new Set(tracing ? trace.nodes : [marks.selected, ...marks.linked, ...ends, ...pane.relations.ends()]);
  const { x: left, y: top, width, height } = overlay.viewBox.baseVal;
  const holes = [...ids].filter((id) => pane.elementOf(id)).map((id) => outlineAround(pane.rect(id), left, top));
  const room = 2000; // px around the drawing, which may be smaller than the pane
  const all = `M${left - room} ${top - room}H${left + width + room}V${top + height + room}H${left - room}Z`;
  return [s("path", { class: `wb-veil${tracing ? " wb-deep" : ""}`, "fill-rule": "evenodd", d: [all, ...holes].join("") }),
    ...litEdges(edges), ...(tracing ? [s("path", { class: "wb-lit-nodes", d: holes.join("") })] : []), ...over];
}

/** A rectangle with round corners, 2 px around another one. */
function outlineAround({ x, y, w, h }, left, top) {
  const r = 8;
  const turn = (dx, dy) => `a${r} ${r} 0 0 1 ${dx} ${dy}`;
  const [across, down] = [w + 4 - 2 * r, h + 4 - 2 * r];
  return `M${left + x - 2 + r} ${top + y - 2}h${across}${turn(r, r)}v${down}${turn(-r, r)}h${-across}${turn(-r, -r)}v${-down}${turn(r, -r)}z`;
}

const LIT_EDGES = 400; // with arrowheads and labels; of more, the lines alone

/** Edges drawn again over the veil. */
function litEdges(edges) {
  const lines = edges.map((edge) => edge.querySelector("path")).filter(Boolean);
  if (lines.length > LIT_EDGES) return [s("path", { class: "wb-lit-edges", d: lines.map((line) => line.getAttribute("d")).join("") })];
  const labels = edges.map((edge) => edge.querySelector(".edge-label")?.cloneNode(true)).filter(Boolean);
  const drawn = lines.map((line) => {
    const copy = s("path", { class: "wb-lit-edges", d: line.getAttribute("d") });
    for (const end of ["marker-start", "marker-end"]) if (line.hasAttribute(end)) copy.setAttribute(end, line.getAttribute(end));
    return copy;
  });
  return [s("g", { class: "graph" }, ...drawn, ...labels)];
}

// -- an edge under the pointer ---------------------------------------------------------------------

const HIT_EDGES = 300;

/** Broad, unseen lines over the edges of the selected node, where the pointer finds them. */
function edgeTargets(pane) {
  return (pane.edges.get(pane.marks.selected) || []).slice(0, HIT_EDGES).map((edge) => {
    const line = s("path", { class: "wb-edge-hit", d: edge.querySelector("path")?.getAttribute("d") || "" });
    line.of = edge;
    return line;
  });
}

/** Say what an edge carries, and from where to where. */
function showEdgeTip(pane, line, event) {
  const { source, target } = line.of.dataset;
  const carried = line.of.dataset.label ?? line.of.querySelector(".edge-label")?.textContent ?? "";
  const ends = [source, target].map((id) => pane.titleOf(id));
  const [from, to] = line.of.classList.contains("up") ? ends.reverse() : ends;
  pane.hub.tip.show(carried || `${from} → ${to}`, { tensors: [{ shape: carried ? `${from} → ${to}` : "" }] }, event, pane.hub.t);
}
