/* -- parts of the timeline: the track, what is later, the details of a moment ----------------------- */

Object.assign(LABELS, {
  stack: "Call stack", stackNone: "No line of yours is known here.", modules: "Modules", modulesNone: "outside of modules",
  alive: "Alive", aliveNow: "Alive now", aliveMore: "and {n} smaller", alivePeak: "peak {text} at moment {n}", goThere: "Go to the moment that made it",
  nowTitle: "Now", inputs: "takes", outputs: "gives", insideLoop: "loop: {text}", value: "value",
  nowEmpty: "Step through the run, or drag along the bar.", alivePieces: "{n} pieces of memory",
});

const BLOCK_LINES = 3; // below an `if` or a loop, in which its block begins
const TRACK = { lane: 6, gap: 2, memory: 16 };

/** Draw the lanes, the memory and the marks of a run into the slider. */
function drawTrack(track, overview, t, count) {
  const parts = overview.lanes.length;
  const height = LANES.length * (TRACK.lane + TRACK.gap);
  const svg = s("svg", { class: "wb-track-lanes", viewBox: `0 0 ${parts} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  LANES.forEach((lane, row) => {
    for (const [from, to] of runsOf(overview.lanes, 1 << row)) {
      svg.append(s("rect", { class: `wb-lane-${lane}`, x: from, y: row * (TRACK.lane + TRACK.gap), width: to - from, height: TRACK.lane }));
    }
  });
  const marks = Object.entries(overview.marks).flatMap(([kind, moments]) => marksOf(kind, moments, t, count));
  const names = [...LANES, "alive"].map((lane) => h("span", {}, t(`lane.${lane}`)));
  track.replaceChildren(h("div", { class: "wb-track-names", "aria-hidden": "true" }, names), svg, memoryCurve(overview.alive),
    ...marks, h("div", { class: "wb-track-later" }), h("div", { class: "wb-thumb" }));
}

/** Signs at moments; those that stand close to the one before are ticks. */
function marksOf(kind, moments, t, count) {
  let last = -Infinity;
  return moments.map((at) => {
    const place = (at + 0.5) / count;
    const close = place - last < MARK_ROOM;
    if (!close) last = place;
    return h("i", { class: `wb-mark wb-mark-${kind}${close ? " wb-tick" : ""}`, "data-at": at, title: t(`mark.${kind}`),
      style: `left:${(place * 100).toFixed(3)}%` }, MARK_SIGNS[kind]);
  });
}

/** The stretches [from, to) of parts that have a bit. */
function runsOf(lanes, bit) {
  const runs = [];
  lanes.forEach((bits, at) => {
    if (!(bits & bit)) return;
    if (runs.length && runs.at(-1)[1] === at) runs.at(-1)[1] = at + 1;
    else runs.push([at, at + 1]);
  });
  return runs;
}

/** Bytes alive along the run, as an area. */
function memoryCurve(alive) {
  const top = Math.max(...alive, 1);
  const steps = alive.map((bytes, at) => `V${(TRACK.memory * (1 - bytes / top)).toFixed(2)}H${at + 1}`).join("");
  return s("svg", { class: "wb-track-memory", viewBox: `0 0 ${alive.length} ${TRACK.memory}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    s("path", { d: `M0,${TRACK.memory}${steps}V${TRACK.memory}Z` }));
}

/* Nodes of ops that have not run yet are drawn paler. Ids grow along the run, so for each drawing it is
 * worked out once at which op (or autograd node, or read) each of its nodes appears. */
class Later {
  constructor(hub) {
    this.hub = hub;
    this.known = new Map(); // pane -> {svg, items, nodes: [{el, edges, kind, first}]}
    this.done = null;
  }

  forget() {
    this.show(null);
    this.known.clear();
  }

  /** Drawings may have changed. */
  refresh(done) {
    this.show(done);
  }

  /** Mark what comes after `done` = {op, grad, read}, the counts of what ran; null marks nothing. */
  show(done) {
    this.done = done;
    for (const [id, { pane }] of this.hub.panes) {
      if (!(pane instanceof GraphPane) || !pane.svg) continue;
      for (const node of this.nodesOf(id, pane)) {
        const later = done !== null && !(node.first < done[node.kind]); // what is not known to have run is not lit
        if (later === node.later) continue;
        node.later = later;
        node.el.classList.toggle("wb-later", later);
        for (const edge of node.edges) this.paintEdge(edge, pane);
      }
    }
  }

  paintEdge(edge, pane) {
    const { source, target } = edge.dataset;
    const late = (end) => pane.elementOf(end)?.classList.contains("wb-later");
    edge.classList.toggle("wb-later", Boolean(late(source) || late(target)));
  }

  nodesOf(id, pane) {
    const items = this.hub.data.items?.[id];
    const known = this.known.get(id);
    if (known?.svg === pane.svg && known.items === items) return known.nodes;
    const nodes = [];
    const lines = id === "static" ? this.lines(pane, items) : null;
    for (const [name, el] of pane.nodes) {
      const first = this.firstOf(id, name, items?.[name]) ?? (lines && this.firstOnLine(lines, name, items?.[name]));
      if (first) nodes.push({ el, edges: pane.edges.get(name) || [], later: el.classList.contains("wb-later"), ...first });
    }
    this.known.set(id, { svg: pane.svg, items, nodes });
    return nodes;
  }

  /** {firsts: "path:line" -> the first op that ran there, blocks: where an `if` or a loop begins}. */
  lines(pane, items) {
    const begins = (name) => items?.[name]?.source && /\b(if|loop)\b/i.test(pane.titleOf(name));
    const blocks = new Set([...pane.nodes.keys()].filter(begins).map((name) => items[name].source.join(":")));
    const firsts = new Map();
    for (const { source, ops } of Object.values(this.hub.data.items?.dynamic || {})) {
      const key = source && ops?.length && source.join(":");
      if (key) firsts.set(key, Math.min(firsts.get(key) ?? Infinity, lowestOf(ops)));
    }
    return { firsts, blocks };
  }

  /* A node of the IR without ops of its own: the first op of its line; where an `if` or a loop begins
   * also of the lines that follow. One of which nothing is known counts as not run yet. */
  firstOnLine({ firsts, blocks }, name, item) {
    if (!name.startsWith("ir:")) return null;
    const [path, line] = item?.source ?? [];
    const below = blocks.has(`${path}:${line}`) ? BLOCK_LINES : 0;
    const own = Array.from({ length: below + 1 }, (_, by) => firsts.get(`${path}:${line + by}`));
    return { kind: "op", first: own.find((first) => first !== undefined) ?? Infinity };
  }

  /** Which record must have run for a node to be there: {kind, first}; null if it always is. */
  firstOf(pane, name, item) {
    if (/^decision:\d/.test(name) && !item?.ops?.length) return { kind: "read", first: Number(/\d+/.exec(name)[0]) };
    if (/^(parameters?|input|tensor|output):/.test(name)) return null;
    if (pane === "backward" || name.startsWith("grad:")) return item?.grads?.length ? { kind: "grad", first: lowestOf(item.grads) } : null;
    return item?.ops?.length ? { kind: "op", first: lowestOf(item.ops) } : null;
  }
}

/* What the bar shows in full: what is computed, where, inside of what, and what is alive. */
class MomentDetails {
  constructor(timeline) {
    this.timeline = timeline;
    this.hub = timeline.hub;
    this.element = h("div", { class: "wb-moment", hidden: true });
  }

  fail(message) {
    this.element.replaceChildren(h("p", { class: "wb-quiet" }, message));
  }

  /** Draw the moment: from the server's words if they are of this moment, else from what is here. */
  show() {
    if (this.element.hidden || !this.timeline.moments) return;
    const { at, told } = this.timeline;
    const { t } = this.hub;
    if (at === null) return this.fail(t("nowEmpty"));
    const own = told?.at === at ? told : null;
    const about = own ?? this.timeline.about();
    if (!about) return undefined; // the answer is on its way
    const opened = this.element.querySelector("details")?.open;
    this.element.replaceChildren(this.nowColumn(about, own), this.stackColumn(about), this.moduleColumn(about, own), this.aliveColumn(own));
    const disclosure = this.element.querySelector("details");
    if (disclosure && opened) disclosure.open = true;
    return undefined;
  }

  column(title, ...children) {
    return h("section", { class: "wb-column", "aria-label": title }, h("h4", {}, title), ...children);
  }

  nowColumn(about, own) {
    const { t } = this.hub;
    const row = (name, text) => text && [h("dt", {}, name), h("dd", {}, text)];
    return this.column(t("nowTitle"),
      h("p", {}, h("strong", {}, about.title), " ", own?.subtitle && own.subtitle !== about.title ? h("code", { class: "wb-quiet" }, own.subtitle) : ""),
      h("p", { class: "wb-quiet" }, this.timeline.nameOf(this.timeline.about())),
      own && h("dl", { class: "wb-rows" }, [row(t("value"), own.value), row(t("inputs"), own.inputs.join(", ")), row(t("outputs"), own.outputs.join(", "))].filter(Boolean).flat()),
      own?.failed && h("p", { class: "wb-fault" }, `✕ ${own.failed}`));
  }

  stackColumn({ stack = [] }) {
    const { t } = this.hub;
    if (!stack.length) return this.column(t("stack"), h("p", { class: "wb-quiet" }, t("stackNone")));
    return this.column(t("stack"), h("ol", { class: "wb-stack" }, stack.map((frame) => h("li", {},
      this.timeline.link(frame), " ", h("span", {}, frame.function.split(".").slice(-2).join(".")),
      frame.text && h("code", { class: "wb-quiet", title: frame.text }, frame.text)))));
  }

  moduleColumn(about, own) {
    const { t } = this.hub;
    const chain = own?.modules ?? (about.module === null ? [] : [{ path: about.module, type: about.type }]);
    const lines = chain.map(({ path, type, mode }) => h("li", {}, h("code", {}, path || type), h("span", { class: "wb-quiet" },
      ` ${[path ? type : "", mode].filter(Boolean).join(" · ")}`)));
    const inside = own ? [...own.inside, ...own.loops.map((loop) => t("insideLoop", { text: loop.text }))] : [];
    return this.column(t("modules"),
      lines.length ? h("ol", { class: "wb-stack" }, lines) : h("p", { class: "wb-quiet" }, t("modulesNone")),
      inside.map((text) => h("p", { class: "wb-quiet" }, text)));
  }

  aliveColumn(own) {
    const { t } = this.hub;
    const { overview, meaning, count } = this.timeline.moments.data;
    const exact = overview.alive.length === count ? overview.alive[this.timeline.at] : null;
    const bytes = own?.alive.text ?? (exact === null ? "" : bytesText(exact));
    const peak = overview.peak && t("alivePeak", { text: bytesText(overview.peak.bytes), n: overview.peak.at + 1 });
    return this.column(t("alive"),
      h("p", { title: meaning }, h("strong", {}, bytes), " ", h("span", { class: "wb-quiet" }, peak || "")),
      own && h("ul", { class: "wb-shares" }, own.alive.by.map((share) => h("li", {},
        h("i", { class: "wb-share", "aria-hidden": "true", style: `--share:${share.bytes / Math.max(own.alive.bytes, 1)}` }),
        h("span", {}, share.title), h("span", { class: "wb-quiet" }, share.text)))),
      own && this.disclosure(own.alive, meaning));
  }

  disclosure(alive, meaning) {
    const { t } = this.hub;
    const piece = (one) => h("tr", {},
      h("td", {}, one.made === null ? one.name : h("button", { type: "button", class: "wb-link", title: t("goThere"),
        onclick: () => this.timeline.goTo(one.made) }, one.name)),
      h("td", {}, one.shape), h("td", {}, one.text), h("td", { class: "wb-quiet" }, one.kind));
    return h("details", { class: "wb-alive" }, h("summary", {}, `${t("aliveNow")}: ${t("alivePieces", { n: alive.count })}`),
      h("p", { class: "wb-quiet" }, meaning), h("table", {}, h("tbody", {}, alive.largest.map(piece))),
      alive.more > 0 && h("p", { class: "wb-quiet" }, t("aliveMore", { n: alive.more })));
  }
}

/** As in "812 B", "4.2 kB", of 1,000 bytes each. */
function bytesText(count) {
  for (const [unit, scale] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= scale) return `${Number((count / scale).toPrecision(3))} ${unit}`;
  }
  return `${count} B`;
}
