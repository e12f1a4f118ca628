/* -- saved and shared: what belongs together though no edge of the picture says so ------------------ */

const RELATION_LINES = 60; // drawn at once; of more, the list says how many

Object.assign(LABELS, {
  relations: "Saved and shared edges of the selection (S)", relationsOn: "Saved and shared edges are shown", relationsOff: "Saved and shared edges are hidden",
  relationsOf: "{name}: {n} saved or shared", "relation.saved": "saved for its backward", "relation.kept": "kept by the backward of",
  "relation.shared": "shared with", "relation.copy": "the same as",
  relationFrom: "from {name}", relationBeside: "{name} beside {other}", relationSelf: "its own result", relationElse: "not drawn now", relationMore: "+{n} more",
  relationBytes: "keeps {bytes}", "edge.saved": "saved for backward (of the selection)", "edge.shared": "shared (of the selection)",
  "help.relations": "S | show or hide the saved and shared edges of the selection",
});
HELP_ROWS.splice(-2, 0, "help.relations");

/* Drawn over the picture, not laid out: a dotted curve with a ring at its start from what made a saved
 * tensor to what keeps it, a dash-dotted one with a square between the copies of one thing. A server
 * says what is saved; the copies beside their uses are known from their ids. */
class Relations {
  constructor(pane) {
    this.pane = pane;
    this.lines = []; // {kind, from, to, label}: ids of drawn nodes
    this.rows = [];
    this.id = null;
    this.asked = 0;
    const { t } = pane.hub;
    this.button = button("⤳", t("relations"), () => this.toggle(), { "aria-pressed": "false" });
    this.list = h("ul", {});
    this.heading = h("summary", {});
    this.element = h("details", { class: "wb-relations", hidden: true, open: pane.hub.memory.relationsOpen,
      ontoggle: () => (pane.hub.memory.relationsOpen = this.element.open) }, this.heading, this.list);
    this.press();
  }

  get on() {
    return this.pane.hub.can("relations") && (this.pane.hub.memory.relations ?? true);
  }

  press() {
    this.button.setAttribute("aria-pressed", String(this.on));
    this.button.hidden = !this.pane.hub.can("relations");
  }

  /** Show or hide them, in all panes. */
  toggle() {
    const { hub } = this.pane;
    if (!hub.can("relations")) return;
    hub.memory.relations = !this.on;
    hub.live.textContent = hub.t(this.on ? "relationsOn" : "relationsOff");
    for (const { pane } of hub.panes.values()) if (pane.relations) pane.relations.again();
  }

  /** They were switched on or off. */
  again() {
    this.press();
    const id = this.pane.marks.selected;
    this.id = null;
    this.selected(id);
    this.pane.paint();
  }

  /** A new drawing: what was found is drawn elsewhere, and is asked for again. */
  forget() {
    this.id = null;
    this.asked += 1;
    this.show([], { more: 0, bytes: "" });
  }

  /** The drawn nodes at the ends of the lines. */
  ends() {
    return this.on && this.id !== null ? this.rows.flatMap(({ from, to }) => [from, to]).filter(Boolean) : [];
  }

  /** Another node is selected: ask what it keeps and shares. */
  async selected(id) {
    if (id === this.id) return;
    this.id = id;
    const number = (this.asked += 1);
    this.show([], { more: 0, bytes: "" });
    this.press();
    if (!this.on || id === null || !this.pane.elementOf(id) || !/^(dynamic|backward|twins)$/.test(this.pane.id)) return;
    try {
      const found = await this.pane.hub.ask("relations", { pane: this.pane.id, id });
      if (number !== this.asked) return;
      const copies = this.copies(id);
      const told = new Set(copies.map(({ to }) => to)); // the same, known from its id
      const placed = found.relations.map((one) => this.placed(one)).filter((one) => one && !(one.kind === "shared" && told.has(one.to)));
      this.show([...copies, ...placed], found);
      this.pane.paint();
    } catch {
      if (number === this.asked) this.show([], { more: 0, bytes: "" });
    }
  }

  /** A copy beside a use, and the thing itself: to each other and to the other copies. */
  copies(id) {
    const original = originalOf(id);
    const others = [...this.pane.nodes.keys()].filter((one) => one !== id && originalOf(one) === original);
    return others.map((one) => ({ kind: "copy", from: id, to: one, label: this.pane.titleOf(one), beside: /@(?:from:)?(.+)$/.exec(one)?.[1] }));
  }

  /** A relation with the ids of the nodes that draw its ends in this pane; null for one with itself. */
  placed({ kind, name, shape, bytes, maker, op, grad, outside }) {
    const label = `${name} ${shape}`;
    const from = this.drawnOp(maker) ?? outside.find((id) => this.pane.elementOf(id)) ?? null;
    if (kind === "shared") {
      const to = [`parameters:${op}`, ...outside].find((id) => this.pane.elementOf(id)) ?? this.drawnOp(op);
      return to === this.id ? null : { kind, from: this.id, to, label, bytes };
    }
    const nodes = this.pane.id === "dynamic" ? [] : this.pane.hub.itemsWith(this.pane.id, "grads", [[grad]]);
    const node = nodes.find((id) => this.pane.elementOf(id));
    const to = node ?? this.drawnOp(op);
    return { kind, from, to, label, bytes, itself: maker !== null && maker === op && from === to };
  }

  /** The node, or the closed box, that draws an op here. */
  drawnOp(op) {
    if (op === null) return null;
    const drawn = this.pane.hub.itemsWith(this.pane.id, "ops", [[op]]).filter((id) => this.pane.elementOf(id));
    return drawn.find((id) => id === `op:${op}`) ?? drawn.find((id) => !/^(parameters|tensor|input|output):|@/.test(id)) ?? drawn[0] ?? null;
  }

  // -- in words ----------------------------------------------------------------------------------

  show(rows, { more, bytes }) {
    const { pane } = this;
    const { t } = pane.hub;
    this.rows = rows.slice(0, RELATION_LINES);
    const left = more + rows.length - this.rows.length;
    this.lines = pane.id === "backward" ? this.rows.filter(({ kind }) => kind === "copy") : this.rows;
    this.element.hidden = !rows.length;
    if (!rows.length) return;
    const held = bytes ? ` · ${t("relationBytes", { bytes })}` : "";
    this.heading.textContent = `${t("relationsOf", { name: pane.titleOf(this.id), n: (rows.length + more).toLocaleString("en") })}${held}`;
    this.element.open = Boolean(pane.hub.memory.relationsOpen);
    this.list.replaceChildren(...this.rows.map((row) => this.row(row)), ...(left ? [h("li", { class: "wb-quiet" }, t("relationMore", { n: left.toLocaleString("en") }))] : []));
    this.list.setAttribute("aria-label", this.heading.textContent);
  }

  /** A line of the list: what, how large, and the other end, which can be clicked. */
  row({ kind, from, to, label, bytes, itself, beside }) {
    const { pane } = this;
    const { t } = pane.hub;
    const other = kind === "saved" ? from : to;
    const title = other && pane.titleOf(other);
    const name = kind === "saved" ? t("relationFrom", { name: title }) : beside ? t("relationBeside", { name: title, other: pane.titleOf(beside) }) : title;
    const end = itself && kind === "saved" ? h("span", {}, t("relationSelf"))
      : other ? h("button", { type: "button", class: "wb-link", onclick: () => this.go(other) }, name) : h("span", {}, t("relationElse"));
    return h("li", {}, relationSwatch(kind), h("span", {}, t(`relation.${kind}`)), kind === "copy" ? null : h("strong", {}, label),
      bytes ? h("span", { class: "wb-quiet" }, bytes) : null, end);
  }

  go(id) {
    const { hub } = this.pane;
    hub.select(this.pane.id, id, { origin: this.pane.id });
    this.pane.reveal([id]);
  }

  // -- over the picture --------------------------------------------------------------------------

  /** Curves, markers and labels for the overlay of the pane; in the backward graph rings. */
  drawn() {
    if (!this.on || this.id === null || this.id !== this.pane.marks.selected || this.pane.trace.direction) return [];
    const { x, y } = this.pane.overlay.viewBox.baseVal;
    const parts = this.lines.filter(({ from, to }) => from && to && from !== to && this.pane.elementOf(from) && this.pane.elementOf(to))
      .flatMap((line, at) => this.curve(line, at));
    const marked = this.pane.id === "backward" ? this.rows.map(({ kind, from, to }) => (kind === "saved" ? from : to)) : [];
    const rings = [...new Set(marked)].filter((id) => id && id !== this.id).map((id) => this.pane.ring(id, "saved")).filter(Boolean);
    return parts.length || rings.length ? [s("g", { class: "wb-relation-lines", transform: `translate(${x},${y})` }, ...parts), ...rings] : [];
  }

  curve({ kind, from, to, label }, at) {
    const [a, b] = [this.pane.rect(from), this.pane.rect(to)];
    const [start, end, bend] = relationEnds(a, b, at);
    const d = `M${start[0]} ${start[1]}C${bend[0][0]} ${bend[0][1]} ${bend[1][0]} ${bend[1][1]} ${end[0]} ${end[1]}`;
    const name = kind === "copy" ? "shared" : kind === "kept" ? "saved" : kind;
    const middle = [0, 1].map((i) => (start[i] + 3 * bend[0][i] + 3 * bend[1][i] + end[i]) / 8);
    const text = s("text", { class: "wb-relation-label", x: middle[0].toFixed(1), y: (middle[1] + 3.5).toFixed(1), "text-anchor": "middle" });
    text.textContent = kind === "copy" || kind === "shared" ? "" : label;
    const foot = name === "saved" ? s("circle", { class: "wb-relation-foot", cx: start[0], cy: start[1], r: 4 })
      : s("rect", { class: "wb-relation-foot", x: start[0] - 3.5, y: start[1] - 3.5, width: 7, height: 7 });
    const head = name === "saved" ? s("path", { class: "wb-relation-head", d: arrowAt(end, bend[1]) })
      : s("rect", { class: "wb-relation-foot", x: end[0] - 3.5, y: end[1] - 3.5, width: 7, height: 7 });
    return [s("g", { class: `wb-relation wb-${name}` }, s("path", { class: "wb-relation-line", d }), foot, head, text)];
  }
}

/** Where a curve leaves one rectangle and reaches another, and how it bends; `at` keeps curves apart. */
function relationEnds(a, b, at) {
  const centre = ({ x, y, w, h: tall }) => [x + w / 2, y + tall / 2];
  const [ca, cb] = [centre(a), centre(b)];
  const right = cb[0] > ca[0] + 20;
  const beside = a.x + a.w < b.x || b.x + b.w < a.x;
  const spread = 26 + (at % 6) * 12;
  if (beside) { // from side to side
    const start = [right ? a.x + a.w : a.x, ca[1]];
    const end = [right ? b.x : b.x + b.w, cb[1]];
    const half = (end[0] - start[0]) / 2;
    return [start, end, [[start[0] + half, start[1]], [end[0] - half, end[1]]]];
  }
  const start = [a.x + a.w, ca[1]]; // above each other: around the right of both
  const end = [b.x + b.w, cb[1]];
  const out = Math.max(start[0], end[0]) + spread + Math.min(90, Math.abs(end[1] - start[1]) / 4);
  return [start, end, [[out, start[1]], [out, end[1]]]];
}

/** An open arrowhead at `end` for a curve that comes from `from`. */
function arrowAt([x, y], from) {
  const length = Math.hypot(x - from[0], y - from[1]) || 1;
  const [dx, dy] = [(x - from[0]) / length, (y - from[1]) / length];
  const corner = (side) => `${(x - 8 * dx + side * 4.5 * dy).toFixed(1)} ${(y - 8 * dy - side * 4.5 * dx).toFixed(1)}`;
  return `M${corner(1)}L${x.toFixed(1)} ${y.toFixed(1)}L${corner(-1)}`;
}

/** What such a line looks like, for the list and the legend. */
function relationSwatch(kind) {
  const name = kind === "copy" || kind === "shared" ? "shared" : "saved";
  const foot = name === "saved" ? s("circle", { class: "wb-relation-foot", cx: 5, cy: 9, r: 4 }) : s("rect", { class: "wb-relation-foot", x: 1, y: 5.5, width: 7, height: 7 });
  const head = name === "saved" ? s("path", { class: "wb-relation-head", d: arrowAt([34, 9], [0, 9]) }) : s("rect", { class: "wb-relation-foot", x: 27, y: 5.5, width: 7, height: 7 });
  return s("svg", { class: "wb-swatch", viewBox: "0 0 36 18", "aria-hidden": "true" },
    s("g", { class: `wb-relation wb-${name}` }, s("path", { class: "wb-relation-line", d: "M5 9H33" }), foot, head));
}

/** Rows of the legend for what can be drawn over this pane. */
function legendRelations(pane) {
  if (!pane.relations?.on || !/^(dynamic|backward|twins)$/.test(pane.id)) return [];
  return ["saved", "shared"].map((kind) => h("li", {}, relationSwatch(kind), h("span", {}, pane.hub.t(`edge.${kind}`))));
}
