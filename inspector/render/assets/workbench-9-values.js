/* -- values: the numbers of a tensor as a picture, on its card and enlarged ------------------------ */

Object.assign(LABELS, {
  enlarge: "Enlarge the values (Enter)", values: "Values", value: "value", gradient: "gradient",
  valuesOf: "Values of {name}: {kind}, {size}, from {low} to {high}", marksToo: ", {nan} NaN, {inf} Inf",
  axis: "axis {n}", indexOf: "Index on {axis}, 0 to {last}", tilesOf: "{first}–{last} of {all}",
  tilesBefore: "Previous tiles", tilesAfter: "Next tiles", drawAs: "Draw as", meanOf: "mean of {size}",
  farBelow: "{n} far below", farAbove: "{n} far above", allZero: "all 0",
  valuesFailed: "The values could not be fetched.",
  "draw.number": "number", "draw.line": "line chart", "draw.heatmap": "heatmap", "draw.tiles": "tiles", "draw.images": "images",
  "help.hoverArrowKeys": "Hover or arrow keys on values | read single numbers; click or Enter enlarges",
});
HELP_ROWS.push("help.hoverArrowKeys");

const SMALL = { width: 160, height: 78, side: 32, cell: 22, pickers: 2 };
const LOW = 860; // px; in a window that is no higher the card has lower pictures
const smallArea = () => (window.innerHeight > LOW ? SMALL : { ...SMALL, height: 58 });
const LARGE = { width: 440, height: 360, side: 64, cell: 60, pickers: 12 };
const ASK_VALUES_AFTER = 60; // ms; while an arrow key is held down nothing is asked
const KEPT_ANSWERS = 64;
const TILES_PAGE = 16; // tiles in one window, as `windows.TILES`
const WHOLE = Object.freeze({}); // the part of a tensor that is shown at first

/* One tensor's values or gradient: canvas, readout, pickers. Its size is known before the values are,
 * so nothing moves when they come. */
class ValuesFigure {
  constructor(hub, tensor, { area = smallArea(), onEnlarge = null } = {}) {
    Object.assign(this, { hub, tensor, area, onEnlarge });
    const { t } = hub;
    this.canvas = h("canvas", { class: "wb-cells", tabindex: "0", role: "img", "aria-label": t("values"),
      style: `width:${area.width}px;height:${area.height}px`, title: onEnlarge ? t("enlarge") : null,
      onpointermove: (event) => this.hover(this.plot?.under(event.offsetX, event.offsetY) ?? null),
      onpointerleave: () => this.hover(null), onblur: () => this.hover(null),
      onclick: () => this.onEnlarge?.(), onkeydown: (event) => this.key(event) });
    this.cursor = h("i", { class: "wb-cursor", hidden: true });
    this.message = h("p", { class: "wb-quiet wb-picture-note" }, "…");
    this.readout = h("figcaption", { class: "wb-readout" });
    this.pickers = h("div", { class: "wb-pickers" });
    this.plate = h("div", { class: "wb-plate", style: `height:${area.height}px` }, this.canvas, this.cursor, this.message);
    this.axes = h("div", { class: "wb-axes", "aria-hidden": "true", hidden: area !== LARGE });
    this.element = h("figure", { class: `wb-picture${area === LARGE ? " wb-large" : ""}`, style: `width:${area.width}px` },
      this.axes, this.plate, this.readout, this.pickers);
    this.canvas.hidden = true;
  }

  get slice() {
    return slicesOf(this.hub).get(this.tensor.id) ?? WHOLE;
  }

  /** Fetch what the slice of this tensor shows, and draw it. */
  async load() {
    const { tensor, hub, slice } = this;
    const inline = slice === WHOLE ? tensor.values : null;
    const asked = { tensor: tensor.id, what: tensor.what, side: this.area.side, ...slice };
    try {
      const found = inline ?? (await answerOf(hub, "values", asked));
      if (slice === this.slice) this.draw(found);
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message || hub.t("valuesFailed"));
    }
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = false;
    this.canvas.hidden = true;
    this.readout.replaceChildren();
  }

  draw(found) {
    this.found = found;
    this.hover(null);
    if (found.kind === "unknown" || found.kind === "empty") return this.say(found.note);
    this.message.hidden = true;
    this.canvas.hidden = false;
    this.element.classList.toggle("wb-scalar", found.kind === "number");
    if (found.kind === "number") this.drawNumber();
    else this.plot = new Plot(this.canvas, found, this.area, valueColours(this.hub.element));
    if (this.area === LARGE && this.plot) this.plate.style.height = `${this.plot.height}px`;
    if (this.area === LARGE) this.nameAxes();
    this.label();
    this.fillPickers();
    return undefined;
  }

  /** Names and first and last index along the first tile: above it and at its left. */
  nameAxes() {
    const { found, plot } = this;
    const named = plot && found.complete && found.columns !== null;
    const axis = (number, way, length) => h("div", { class: `wb-axis wb-axis-${way}`, style: `${way === "down" ? "height" : "width"}:${Math.round(length)}px` },
      h("span", {}, "0"), h("strong", {}, this.nameOf(number)), h("span", {}, String(found.shape[number] - 1)));
    const { width, height } = plot?.form ?? {};
    const cell = plot?.isLine ? [plot.line.step, 0] : [plot?.grid?.cellWidth, plot?.grid?.cellHeight];
    this.axes.replaceChildren(...(named ? [axis(found.columns, "across", Math.max(width * cell[0], 80)),
      found.rows !== null && axis(found.rows, "down", Math.max(height * cell[1], 60))].filter(Boolean) : []));
  }

  redraw() {
    if (this.found) this.draw(this.found);
  }

  drawNumber() {
    const { found } = this;
    this.plot = null;
    this.say(shortNumber(found.cells[0], found.boolean));
  }

  label() {
    const { found, hub } = this;
    const [low, high] = found.range.map((one) => shortNumber(one));
    const marks = found.nan || found.inf ? hub.t("marksToo", { nan: found.nan, inf: found.inf }) : "";
    const name = `${this.tensor.role} ${this.tensor.name ?? ""}`;
    this.canvas.setAttribute("aria-label",
      hub.t("valuesOf", { name, kind: hub.t(`draw.${found.kind}`), size: found.shape.join("×"), low, high }) + marks);
    this.legend();
  }

  /** What the marks mean and how many values they stand for; shown while nothing is pointed at. */
  legend() {
    const { found } = this;
    if (!found || found.kind === "number") return;
    const parts = [];
    if (found.nan) parts.push(h("span", { class: "wb-mark-nan" }, `✕ ${found.nan.toLocaleString("en")} NaN`));
    if (found.inf) parts.push(h("span", { class: "wb-mark-inf" }, `▲▼ ${found.inf.toLocaleString("en")} Inf`));
    const far = (way) => found.cells.filter((cell) => beyond(cell, found) === way).length;
    for (const [sign, label, n] of found.beyond ? [["╲", "farBelow", far(-1)], ["╱", "farAbove", far(1)]] : []) {
      if (n) parts.push(h("span", { class: "wb-mark-far" }, `${sign} ${this.hub.t(label, { n: n.toLocaleString("en") })}`));
    }
    const room = !parts.length || this.area === LARGE;
    if (room && found.kind !== "images") parts.push(this.scaleBar());
    if (!found.complete) parts.splice(0, parts.length, h("span", { class: "wb-quiet", title: found.note }, (this.area !== LARGE && found.brief) || found.note));
    this.readout.classList.toggle("wb-partial", !found.complete);
    this.readout.replaceChildren(...parts);
  }

  /** The colours with the numbers at their ends. */
  scaleBar() {
    const { from, to, kind } = this.found.scale;
    if (from === 0 && to === 0) return h("span", { class: "wb-quiet" }, this.hub.t("allZero"));
    const { stops } = valueColours(this.hub.element);
    const [low, high] = kind === "diverging" ? [-1, 1] : kind === "falling" ? [-1, 0] : [0, 1];
    const colours = [0, 0.25, 0.5, 0.75, 1].map((share) => colourAt(low + share * (high - low), stops)).join(", ");
    return h("span", { class: "wb-scale" }, shortNumber(from, false, 3), h("i", { style: `background: linear-gradient(90deg, ${colours})` }), shortNumber(to, false, 3));
  }

  // -- pointing --------------------------------------------------------------------------------

  hover(place) {
    this.place = place;
    this.cursor.hidden = !place;
    if (!place || !this.plot) return this.legend();
    const [left, top, width, height] = this.plot.outline(place);
    Object.assign(this.cursor.style, { left: `${left - 1}px`, top: `${top - 1}px`, width: `${width + 2}px`, height: `${height + 2}px` });
    const { index, value, mean } = this.plot.read(place);
    this.readout.classList.remove("wb-partial");
    const note = mean ? h("span", { class: "wb-quiet" }, ` ${this.hub.t("meanOf", { size: mean })}`) : "";
    this.readout.replaceChildren(h("span", { class: "wb-quiet" }, `${index} = `), h("strong", {}, value), note);
    return undefined;
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const by = steps[event.key];
    if (event.key === "Enter" && this.onEnlarge) this.onEnlarge();
    else if (by && this.plot) this.hover(this.place ? this.plot.moved(this.place, ...by) : { tile: 0, row: 0, column: 0 });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // -- which part is shown ---------------------------------------------------------------------

  fillPickers() {
    const { found, hub } = this;
    const free = Object.entries(found.at).filter(([axis]) => found.shape[axis] > 1);
    const parts = hub.can("values") ? free.slice(0, this.area.pickers).map(([axis, index]) => this.picker(Number(axis), index)) : [];
    if (hub.can("values") && found.over !== null && found.tiles > found.size[0]) parts.push(...this.pager());
    if (hub.can("values") && this.area === LARGE && found.kinds.length > 1) parts.unshift(this.kindPicker());
    const focused = this.pickers.getRootNode().activeElement?.dataset?.picks;
    this.pickers.replaceChildren(...parts);
    if (focused) this.pickers.querySelector(`[data-picks="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  nameOf(axis) {
    return this.found.axes[axis] || this.hub.t("axis", { n: axis });
  }

  picker(axis, index) {
    const last = this.found.shape[axis] - 1;
    const input = h("input", { type: "number", min: 0, max: last, value: index, "data-picks": axis,
      "aria-label": this.hub.t("indexOf", { axis: this.nameOf(axis), last }),
      oninput: () => input.value !== "" && this.choose({ at: { ...this.found.at, [axis]: clamp(Math.round(Number(input.value)), 0, last) } }) });
    const count = this.area === LARGE && h("span", { class: "wb-quiet" }, `/ ${last + 1}`);
    return h("label", { class: "wb-picker-axis", title: `0 – ${last}` }, this.nameOf(axis), input, count);
  }

  pager() {
    const { first, tiles, size } = this.found;
    const to = (at) => () => this.choose({ first: at });
    return [
      button("‹", this.hub.t("tilesBefore"), to(Math.max(first - TILES_PAGE, 0)), { disabled: first === 0, "data-picks": "before" }),
      h("span", { class: "wb-quiet" }, this.hub.t("tilesOf", { first, last: first + size[0] - 1, all: tiles })),
      button("›", this.hub.t("tilesAfter"), to(first + TILES_PAGE), { disabled: first + size[0] >= tiles, "data-picks": "after" }),
    ];
  }

  kindPicker() {
    const { found, hub } = this;
    return h("label", { class: "wb-picker-axis" }, hub.t("drawAs"),
      h("select", { "data-picks": "kind", onchange: (event) => this.choose({ kind: event.target.value, first: 0 }) },
        found.kinds.map((kind) => h("option", { value: kind, selected: kind === found.kind }, hub.t(`draw.${kind}`)))));
  }

  /** Show another part of the tensor: of its value and of its gradient, wherever they are drawn. */
  choose(change) {
    const slices = slicesOf(this.hub);
    slices.set(this.tensor.id, { ...this.slice, ...change });
    for (const figure of this.hub.card.figures()) if (figure.tensor.id === this.tensor.id) figure.load();
  }
}

/** The parts of tensors that the user chose, by tensor id; kept while the recording is shown. */
function slicesOf(hub) {
  const of = hub.frame?.source ?? hub.data.key;
  if (hub.memory.slices?.of !== of) hub.memory.slices = { of, parts: new Map() };
  return hub.memory.slices.parts;
}

/** The server's answer to a question on a tensor; the latest ones are kept. */
async function answerOf(hub, question, asked) {
  const of = hub.frame?.source;
  if (hub.answers?.of !== of) hub.answers = { of, found: new Map() };
  const kept = hub.answers.found;
  const key = JSON.stringify([question, asked]);
  if (kept.has(key)) return kept.get(key);
  const found = await hub.ask(question, asked);
  kept.set(key, found);
  if (kept.size > KEPT_ANSWERS) kept.delete(kept.keys().next().value);
  return found;
}

/* Value and gradient side by side, large, over the workbench. */
class ValuesSheet {
  constructor(hub) {
    this.hub = hub;
    this.element = h("div", { class: "wb-help wb-values-sheet", hidden: true,
      onclick: (event) => event.target === this.element && this.close(), onkeydown: (event) => this.key(event) });
    this.figures = [];
  }

  show(tensors) {
    const { hub } = this;
    const { t } = hub;
    if (!this.element.isConnected) hub.element.append(this.element);
    this.before = this.element.getRootNode().activeElement;
    this.figures = tensors.map((tensor) => new ValuesFigure(hub, tensor, { area: LARGE }));
    const title = `${t("values")} · ${tensors[0].name ?? ""}`;
    this.closer = button("×", t("close"), () => this.close(), { class: "wb-button wb-close" });
    this.element.replaceChildren(h("div", { class: "wb-sheet wb-wide", role: "dialog", "aria-modal": "true", "aria-label": title },
      h("header", {}, h("h3", {}, title), dimensionsOf(tensors[0]), this.closer),
      h("div", { class: "wb-sheet-body" }, this.figures.map((figure, at) =>
        h("section", {}, h("h4", { class: "wb-role" }, tensors[at].what === "grad" ? t("gradient") : t("value")), figure.element)))));
    this.element.hidden = false;
    for (const figure of this.figures) figure.load();
    this.closer.focus();
  }

  close() {
    this.element.hidden = true;
    this.figures = [];
    this.before?.focus?.({ preventScroll: true });
  }

  key(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Tab") return this.holdFocus(event);
    else return undefined;
    event.preventDefault();
    event.stopPropagation();
    return undefined;
  }

  /** The focus stays in the sheet while it is open. */
  holdFocus(event) {
    const all = [...this.element.querySelectorAll("button:not(:disabled), input, select, canvas:not([hidden])")];
    const at = all.indexOf(this.element.getRootNode().activeElement);
    const to = all[(at + (event.shiftKey ? -1 : 1) + all.length) % all.length];
    to?.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}

/** A tensor's shape, each size under the name of its dimension where that is known. */
function dimensionsOf({ dims, shape }) {
  if (!dims?.some(([, name]) => name)) return h("strong", {}, shape || "");
  const parts = dims.map(([size, name]) => h("span", { class: "wb-dim" }, h("small", {}, name), h("strong", {}, String(size))));
  return h("span", { class: "wb-dims", "aria-label": dims.map(([size, name]) => `${name} ${size}`.trim()).join(" × ") },
    parts.flatMap((part, at) => (at ? [h("i", {}, "×"), part] : [part])));
}
