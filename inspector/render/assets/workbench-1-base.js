/* The workbench: linked panes of graphs, TorchScript text and Python source.
 *
 * One ES module in several parts. They carry no import statements, so that the same text serves as
 * a Streamlit component and inside an exported page: join `workbench-*.js`, then `workbench.js`,
 * in the order of their names (plain `sorted()` gives it).
 *
 *   workbench-1-base.js          labels, DOM helpers, safe SVG, colours
 *   workbench-2-graph.js         GraphPane: one SVG with pan, zoom, marks
 *   workbench-3-tools.js         keyboard walk and legend of a graph pane
 *   workbench-4-text.js          TextPane: TorchScript text and Python source
 *   workbench-5-card.js          the card of the selected item, tooltip, help
 *   workbench-6-minimap.js       the whole drawing small, with a frame around what is seen
 *   workbench-6-export.js        what a pane shows as an SVG or PNG file
 *   workbench-6-relations.js     saved and shared edges of the selection
 *   workbench-6-search.js        search of a graph pane: of all that was recorded
 *   workbench-6-textsearch.js    search of a text pane
 *   workbench-6-trace.js         all producers and consumers of a node
 *   workbench-7-compare.js       two runs in one picture: which is seen, both counts
 *   workbench-7-heat.js          colours by a measure
 *   workbench-8-moments.js       the run as a row of moments
 *   workbench-8-momentview.js    parts of the timeline: track, details of a moment
 *   workbench-8-timeline.js      Timeline: the bar with which a run is stepped through
 *   workbench-8-timelook.js      how the timeline looks
 *   workbench-8-until.js         "run until …", a form over the timeline
 *   workbench-9-plot.js          a window of values on a canvas
 *   workbench-9-values.js        the numbers of a tensor as a picture
 *   workbench-a-runs.js          which ops an item stands for, written short
 *   workbench-a-source.js        questions to the server; the line that says what works or failed
 *   workbench-b-hub.js           Workbench: data, selection, card, keys
 *   workbench-c-layout.js        its sides, tabs, dividers, menus, presentation
 *   workbench-d-place.js         what is shown of a recording on a server: boxes, tabs, selection
 *   workbench-e-morph.js         what is of both runs glides to its place when another run comes
 *   workbench-f-sides.js         two runs side by side: MirrorPane, the same drawing as the other run
 *   workbench-g-findings.js      FindingsPane: what is wrong in the run, and answers to "why"
 *   workbench-h-file.js          FileSource: a saved page's own answers, from what was packed into it
 *   workbench-h-filefinder.js    FileFinder: the search of a saved page
 *   workbench.js                 the two entry points
 *
 * All text of a recording is set as text; only the SVG is parsed, and `parseSvg` keeps nothing of
 * it but drawing elements.
 */

const SVG_NS = "http://www.w3.org/2000/svg";

/** English texts by key. `data.labels` has other languages: key or English text -> text. */
const LABELS = {
  workbench: "Computation graph workbench",
  fit: "Fit", fitHint: "Fit the whole graph (F)", actual: "1:1", actualHint: "Actual size (0)",
  zoomIn: "Zoom in (+)", zoomOut: "Zoom out (−)",
  search: "Search", searchIn: "Search in {title} (/)", noMatch: "no match",
  previous: "Previous match (Shift+N)", next: "Next match (N)",
  maximise: "Maximise this pane", restore: "Restore both panes (Esc)", help: "Keys and mouse (?)",
  splitter: "Width of the left pane", linked: "holds linked items",
  empty: "Nothing to draw here.", badSvg: "This graph could not be drawn.",
  graphHint: "{title}. Arrow keys move, Enter selects, question mark lists all keys.",
  wheel: "Ctrl + wheel to zoom, or click the graph first",
  wheelMac: "⌘ + wheel to zoom, or click the graph first",
  legend: "Legend", cardEmpty: "Click a node, a line of IR or a line of source to inspect it.",
  cardHint: "Its tensors, statistics and gradient appear here; the other panes follow.",
  clear: "Clear the selection (Esc)", noValues: "No values recorded.", sample: "values",
  source: "Source", details: "Details", onThisLine: "On this line", ran: "ran", selected: "Selected: {name}",
  cleared: "Selection cleared", histogram: "Distribution of {name} from {low} to {high}",
  nonfinite: "NaN or Inf", file: "File", times: "ran {n}×", skipped: "did not run", close: "Close",
  "kind.op": "operation", "kind.input": "input", "kind.output": "output",
  "kind.parameter": "parameter or buffer", "kind.decision": "decision (tensor became a Python value)",
  "kind.constant": "constant", "kind.grad": "autograd node", "kind.accumulate": "gradient accumulated into a leaf",
  "kind.branch": "prim::If", "kind.loop": "prim::Loop", "kind.box": "closed box (double click opens)",
  "kind.failed": "raised the exception", "kind.inplace": "writes in place",
  "kind.view": "view: shares memory", "kind.nonfinite": "NaN or Inf", "kind.executed": "ran for this input",
  "kind.skipped": "did not run for this input", "kind.accumulated": "added onto an old gradient",
  "kind.new": "new in this stage", "kind.gone": "not in the next stage", "kind.fused": "several in one kernel",
  "kind.unrolled": "unrolled: a copy for each trip", "kind.replaced": "replaced by other nodes",
  "edge.data": "data", "edge.control": "control flow", "edge.grad": "gradient", "edge.write": "in-place write",
  helpTitle: "Keys and mouse",
  "help.click": "Click | select a node, an IR line or a source line; the other panes follow",
  "help.doubleClick": "Double click | a closed box: open it; the background: fit the graph",
  "help.box": "⊞ / ⊟ on a box | open or close it; Space does it for the focused node",
  "help.drag": "Drag | move the graph",
  "help.ctrlWheelPinch": "Ctrl or ⌘ + wheel, pinch | zoom at the pointer; after a click in the graph the wheel alone zooms",
  "help.followEdgeUp": "↑ ↓ | follow an edge up or down",
  "help.nearestNodeLeft": "← → | nearest node to the left or right",
  "help.enter": "Enter | select the focused node or line",
  "help.zoomZoomOut": "+ − 0 | zoom in, zoom out, actual size",
  "help.fitWholeGraph": "F | fit the whole graph",
  "help.nextMatch": "N, Shift+N | next and previous match",
  "help.tabs": "← → on tabs | change the pane; on the divider: its width (double click: halves)",
  "help.maximiseRestorePane": "M | maximise or restore the pane",
  "help.esc": "Esc | close this, leave the search, restore the panes, then clear the selection",
  "help.thisList": "? | this list",
};

/** Rows of the help, as keys of LABELS: what to press, " | ", what it does. */
const HELP_ROWS = [
  "help.click",
  "help.doubleClick",
  "help.box",
  "help.drag",
  "help.ctrlWheelPinch",
  "help.followEdgeUp",
  "help.nearestNodeLeft",
  "help.enter",
  "help.zoomZoomOut",
  "help.fitWholeGraph",
  "help.nextMatch",
  "help.tabs",
  "help.maximiseRestorePane",
  "help.esc",
  "help.thisList",
];

/** An HTML element. Text and attribute values are set as text, never parsed as markup. */
function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? "" : String(value));
  }
  el.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return el;
}

/** An SVG element with attributes. */
function s(tag, attributes = {}, ...children) {
  const el = document.createElementNS(SVG_NS, tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, String(value));
  el.append(...children);
  return el;
}

/** A button that shows `text` (a glyph or a word) and is named by `label`. */
function button(text, label, onclick, extra = {}) {
  return h("button", { type: "button", class: "wb-button", title: label, "aria-label": label, onclick, ...extra }, text);
}

/** Give a class more members (methods and getters) from another file. */
function extend(cls, members) {
  Object.defineProperties(cls.prototype, Object.getOwnPropertyDescriptors(members));
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** `fn` called once, `ms` after the last of a burst of calls; `.cancel()` drops a waiting call. */
function debounce(fn, ms) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** "pane/id" into its two parts; ids may hold further slashes. Null for anything else. */
function splitRef(ref) {
  const at = typeof ref === "string" ? ref.indexOf("/") : -1;
  return at > 0 ? { pane: ref.slice(0, at), id: ref.slice(at + 1) } : null;
}

/** Key of a source line: one string for all panes. */
function lineKey(file, line) {
  return `${file}:${line}`;
}

function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// -- SVG from the server -----------------------------------------------------------------------

const SVG_ELEMENTS = new Set(
  ("svg g defs rect path circle ellipse line polyline polygon text tspan title desc marker pattern " +
    "linearGradient radialGradient stop clipPath").split(" "),
);

/** Whether an attribute can neither run code nor load anything from elsewhere. */
function isSafeAttribute(qualified, value) {
  const name = qualified.toLowerCase();
  if (/^(on|href$|xlink:|src$)/.test(name)) return false;
  if (/^(aria-|data-|class$|id$)/.test(name)) return true;
  return !/javascript:|@import|url\(\s*(?!['"]?#)/i.test(value);
}

/**
 * The drawing in `text` as an element of this document, or null when it is not one whole SVG with something in it.
 *
 * Read as HTML into a document without a browsing context, where nothing runs or loads: Chromium
 * needs 0.2 s for 10,000 nodes, and 2.8 s for the same text read as XML. What is kept is moved,
 * never written out and read again, so it cannot turn into something else on the way.
 */
function parseSvg(text) {
  if (!text || !/<\/svg>\s*$/.test(text.slice(-40))) return null;
  const svg = new DOMParser().parseFromString(text, "text/html").body.firstElementChild;
  if (svg?.namespaceURI !== SVG_NS || svg.localName !== "svg" || !svg.querySelector("path, rect, text")) return null;
  for (const el of [svg, ...svg.querySelectorAll("*")]) {
    if (el.namespaceURI !== SVG_NS || !SVG_ELEMENTS.has(el.localName)) el.remove();
    else for (const name of el.getAttributeNames()) if (!isSafeAttribute(name, el.getAttribute(name))) el.removeAttribute(name);
  }
  return document.adoptNode(svg);
}

/** Width and height of a drawing in its own units. */
function drawingSize(svg) {
  const box = svg.viewBox.baseVal;
  if (box && box.width > 0 && box.height > 0) return [box.width, box.height];
  return [svg.width.baseVal.value || 1, svg.height.baseVal.value || 1];
}

// -- light or dark -----------------------------------------------------------------------------

/** Relative luminance, 0 to 1, of a computed CSS colour; null when it is transparent or unknown. */
function luminance(color) {
  const numbers = (color.match(/[\d.]+/g) || []).map(Number);
  if (numbers.length < 3 || numbers[3] === 0) return null;
  const scale = color.startsWith("color(") ? 1 : 255;
  const [r, g, b] = numbers.map((value) => {
    const part = value / scale;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** "light" or "dark": as asked for, else as Streamlit's background, else as the system. */
function themeOf(el, wanted) {
  if (wanted === "light" || wanted === "dark") return wanted;
  const probe = h("i", { style: "display:none;background-color:var(--st-background-color, transparent)" });
  el.append(probe);
  const light = luminance(getComputedStyle(probe).backgroundColor);
  probe.remove();
  if (light !== null) return light < 0.4 ? "dark" : "light";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
