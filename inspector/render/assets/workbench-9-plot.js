/* -- a window of values on a canvas: cells, tiles, images and lines, with marks for NaN and Inf ---- */

const SEEN = 6; // px; a smaller square is hard to point at
const WRITTEN = 36; // px; wide enough for a number of four digits
const GAP = 3; // px between tiles
const BARS = 64; // numbers up to which a line is drawn as bars
const IS_MARK = (cell) => typeof cell === "string";

/** A number in at most four significant digits, as in the statistics. */
function shortNumber(value, boolean = false, digits = 4) {
  if (IS_MARK(value)) return value.replace("-", "−");
  if (boolean && (value === 0 || value === 1)) return value ? "True" : "False";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const short = Number(value.toPrecision(digits));
  return (Math.abs(short) < 1e-4 ? short.toExponential() : String(short)).replaceAll("-", "−");
}

/** The theme's colours of numbers as [r, g, b], from far below zero to far above it. */
function valueColours(element) {
  const style = getComputedStyle(element);
  const parse = (name) => {
    const text = style.getPropertyValue(`--graph-${name}`).trim() || style.getPropertyValue("--wb-line");
    return /^#[\da-f]{6}$/i.test(text) ? [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) : [128, 128, 128];
  };
  const text = (name) => style.getPropertyValue(name).trim();
  return {
    stops: ["low", "lower", "zero", "higher", "high"].map((name) => parse(`value-${name}`)),
    ground: text("--wb-bg"), ink: text("--wb-text"), line: text("--wb-line"), nan: text("--graph-failed") || "red",
    inf: text("--graph-nonfinite") || "darkorange", quiet: text("--wb-muted") || "gray",
  };
}

/** −1 or 1 for a number far below or above what the colours span, as in masked scores; else 0. */
function beyond(value, { beyond: some, range }) {
  if (!some || IS_MARK(value)) return 0;
  return value < range[0] ? -1 : value > range[1] ? 1 : 0;
}

/** The place of a number on the scale of colours: −1 to 1, 0 for the middle. */
function onScale(value, { kind, from, to }) {
  const span = to - from;
  if (kind === "diverging") return to ? value / to : 0;
  const share = span > 0 ? clamp((value - from) / span, 0, 1) : kind === "light" ? 0.5 : value ? 1 : 0;
  return kind === "falling" ? share - 1 : share;
}

function colourAt(place, stops) {
  const at = clamp((place + 1) * 2, 0, 4);
  const low = Math.min(Math.floor(at), 3);
  return `rgb(${[0, 1, 2].map((i) => Math.round(stops[low][i] + (at - low) * (stops[low + 1][i] - stops[low][i]))).join(" ")})`;
}

/** A canvas's "#rrggbb" as "rgb(r g b)", which `luminance` reads. */
function colourIn(style) {
  return style.startsWith("#") ? `rgb(${[1, 3, 5].map((at) => parseInt(style.slice(at, at + 2), 16)).join(" ")})` : style;
}

/** Where the tiles of a window lie in `area`: {columns, cellWidth, cellHeight, left, top}; in px. */
function placeTiles({ kind, tiles, height, width }, area) {
  let best = null;
  for (let columns = 1; columns <= tiles; columns += 1) {
    const rows = Math.ceil(tiles / columns);
    const across = (area.width - (columns - 1) * GAP) / (columns * width);
    const down = (area.height - (rows - 1) * GAP) / (rows * height);
    const square = Math.min(across, down, area.cell);
    if (!best || square > best.square) best = { columns, rows, square, across, down };
  }
  // A long thin matrix has flat cells rather than ones that cannot be seen; pictures keep their form.
  const flat = kind === "heatmap" && best.square < SEEN;
  const cellWidth = flat ? Math.min(best.across, area.cell) : best.square;
  const cellHeight = flat ? Math.min(best.down, area.cell) : best.square;
  return { columns: best.columns, cellWidth, cellHeight, stepX: width * cellWidth + GAP, stepY: height * cellHeight + GAP };
}

/** Sizes of a window's drawing: {kind, tiles, height, width, channels}. */
function formOf({ kind, size }) {
  if (kind === "line" || kind === "number") return { kind, tiles: 1, height: 1, width: size[0] ?? 0, channels: 1 };
  if (kind === "heatmap") return { kind, tiles: 1, height: size[0], width: size[1], channels: 1 };
  const single = kind === "images" && (size.length === 2 || (size.length === 3 && size[2] === 3));
  const [tiles, height, width] = single ? [1, size[0], size[1]] : size;
  const channels = size.length === (single ? 3 : 4) ? 3 : 1;
  return { kind, tiles, height, width, channels };
}

/* Draws one window on a canvas and knows what lies under a point of it. */
class Plot {
  constructor(canvas, found, area, colours) {
    Object.assign(this, { canvas, found, area, colours, form: formOf(found) });
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(area.width * ratio);
    canvas.height = Math.round(area.height * ratio);
    this.brush = canvas.getContext("2d");
    this.brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.isLine) this.drawLine();
    else this.drawCells();
  }

  /** How much of the area the cells take. */
  get height() {
    if (this.isLine) return this.area.height;
    const rows = Math.ceil(this.form.tiles / this.grid.columns);
    return Math.ceil(rows * this.grid.stepY - GAP);
  }

  get isLine() {
    return this.found.kind === "line";
  }

  // -- cells -----------------------------------------------------------------------------------

  drawCells() {
    this.grid = placeTiles(this.form, this.area);
    const marks = [];
    for (let tile = 0; tile < this.form.tiles; tile += 1) {
      for (let row = 0; row < this.form.height; row += 1) {
        for (let column = 0; column < this.form.width; column += 1) {
          const cell = this.cellAt(tile, row, column);
          const box = this.boxOf(tile, row, column);
          this.brush.fillStyle = this.fillOf(cell);
          this.brush.fillRect(...box);
          const mark = cell.find(IS_MARK) ?? (beyond(cell[0], this.found) || undefined);
          if (mark !== undefined) marks.push([mark, box]);
          else this.write(cell, box);
        }
      }
      this.frame(tile);
    }
    for (const [mark, box] of marks) this.drawMark(mark, box); // last: no neighbour covers them
  }

  cellAt(tile, row, column) {
    const { height, width, channels } = this.form;
    const at = ((tile * height + row) * width + column) * channels;
    return this.found.cells.slice(at, at + channels);
  }

  /** [x, y, width, height] in whole px, so that no seams show. */
  boxOf(tile, row, column) {
    const { columns, cellWidth, cellHeight, stepX, stepY } = this.grid;
    const left = (tile % columns) * stepX;
    const top = Math.floor(tile / columns) * stepY;
    const [x, y] = [Math.round(left + column * cellWidth), Math.round(top + row * cellHeight)];
    return [x, y, Math.max(Math.round(left + (column + 1) * cellWidth) - x, 1), Math.max(Math.round(top + (row + 1) * cellHeight) - y, 1)];
  }

  fillOf(cell) {
    const { scale } = this.found;
    if (cell.some(IS_MARK) || beyond(cell[0], this.found)) return this.colours.ground;
    if (scale.kind !== "light") return colourAt(onScale(cell[0], scale), this.colours.stops);
    const light = cell.map((value) => Math.round(255 * onScale(value, scale)));
    return `rgb(${(light.length === 3 ? light : [light[0], light[0], light[0]]).join(" ")})`;
  }

  /** The number itself, where its cell has room for it. */
  write(cell, [x, y, width, height]) {
    if (cell.length > 1 || width < WRITTEN || this.form.kind === "images") return;
    const { brush } = this;
    brush.font = "11px sans-serif";
    brush.textAlign = "center";
    brush.textBaseline = "middle";
    brush.fillStyle = luminance(colourIn(brush.fillStyle)) > 0.3 ? "black" : "white";
    brush.fillText(shortNumber(cell[0], this.found.boolean), x + width / 2, y + height / 2, width - 4);
  }

  frame(tile) {
    const [x, y] = this.boxOf(tile, 0, 0);
    const [right, bottom, width, height] = this.boxOf(tile, this.form.height - 1, this.form.width - 1);
    this.brush.strokeStyle = this.colours.line;
    this.brush.strokeRect(x + 0.5, y + 0.5, right + width - x - 1, bottom + height - y - 1);
  }

  /** A cross for NaN, a triangle up or down for infinities, both for both: told apart without colour. */
  drawMark(mark, [x, y, width, height]) {
    if (!IS_MARK(mark)) return this.drawBeyond(mark, [x, y, width, height]);
    const half = Math.max(Math.min(width, height, 12) / 2 - 0.5, 2.5);
    const [cx, cy] = [x + width / 2, y + height / 2];
    const { brush, colours } = this;
    const small = half < 3.5;
    brush.lineWidth = small ? 1.3 : 1.8;
    brush.fillStyle = colours.ground;
    if (small) brush.fillRect(cx - half - 1, cy - half - 1, 2 * half + 2, 2 * half + 2);
    brush.strokeStyle = brush.fillStyle = mark === "NaN" ? colours.nan : colours.inf;
    brush.beginPath();
    if (mark === "NaN") {
      brush.moveTo(cx - half, cy - half);
      brush.lineTo(cx + half, cy + half);
      brush.moveTo(cx - half, cy + half);
      brush.lineTo(cx + half, cy - half);
      brush.stroke();
      return undefined;
    }
    for (const up of mark === "±Inf" ? [1, -1] : [mark === "-Inf" ? -1 : 1]) {
      brush.moveTo(cx, cy - up * half);
      brush.lineTo(cx + half, cy + up * half);
      brush.lineTo(cx - half, cy + up * half);
      brush.closePath();
    }
    if (mark === "±Inf") brush.stroke();
    else brush.fill();
    return undefined;
  }

  /** A stroke through a cell whose number is out of range: falling for far below, rising for far above. */
  drawBeyond(way, [x, y, width, height]) {
    const { brush, colours } = this;
    brush.strokeStyle = colours.quiet;
    brush.lineWidth = 1;
    brush.beginPath();
    brush.moveTo(x + 1, way < 0 ? y + 1 : y + height - 1);
    brush.lineTo(x + width - 1, way < 0 ? y + height - 1 : y + 1);
    brush.stroke();
  }

  // -- lines -----------------------------------------------------------------------------------

  drawLine() {
    const { cells, range } = this.found;
    const pad = 8; // room for the marks at the ends
    const [low, high] = [Math.min(range[0], 0), Math.max(range[1], 0)];
    const span = high - low || 1;
    const step = Math.min(this.area.width / Math.max(cells.length, 1), this.area.cell);
    const flat = low === high; // all 0: on a line in the middle
    const y = (value) => flat ? Math.round(this.area.height / 2) : pad + ((high - value) / span) * (this.area.height - 2 * pad);
    this.line = { step, y, pad };
    this.brush.fillStyle = this.colours.line;
    this.brush.fillRect(0, Math.round(y(0)), Math.min(step * cells.length, this.area.width), 1);
    if (cells.length <= BARS) this.drawBars();
    else this.drawPath();
    cells.forEach((cell, at) => {
      const far = beyond(cell, this.found);
      if (far) this.drawBeyond(far, [(at + 0.5) * step - 5, far > 0 ? 0 : this.area.height - 10, 10, 10]);
      if (!IS_MARK(cell)) return;
      const top = cell === "Inf" ? 0 : cell === "-Inf" ? this.area.height - 10 : y(0) - 5;
      this.drawMark(cell, [(at + 0.5) * step - 5, top, 10, 10]);
    });
  }

  drawBars() {
    const { step, y } = this.line;
    this.found.cells.forEach((cell, at) => {
      if (IS_MARK(cell) || beyond(cell, this.found)) return;
      if (cell === 0) return this.drawZero((at + 0.5) * step, y(0));
      const [top, bottom] = [Math.min(y(cell), y(0)), Math.max(y(cell), y(0))];
      this.brush.fillStyle = colourAt(cell < 0 ? -1 : 1, this.colours.stops);
      this.brush.fillRect(at * step + (step > 3 ? 0.5 : 0), top, Math.max(step - (step > 3 ? 1 : 0), 1), Math.max(bottom - top, 1));
      return undefined;
    });
  }

  /** A dot on the line: a number that is there, and 0. */
  drawZero(x, y) {
    const { brush, colours } = this;
    brush.fillStyle = colours.quiet;
    brush.beginPath();
    brush.arc(x, y + 0.5, Math.min(this.line.step / 3, 2.5), 0, 2 * Math.PI);
    brush.fill();
  }

  drawPath() {
    const { step, y } = this.line;
    this.brush.strokeStyle = this.colours.ink;
    this.brush.lineWidth = 1.2;
    this.brush.beginPath();
    let pen = false; // lifted where a number is missing
    this.found.cells.forEach((cell, at) => {
      const drawn = !IS_MARK(cell) && !beyond(cell, this.found);
      if (drawn) this.brush[pen ? "lineTo" : "moveTo"]((at + 0.5) * step, y(cell));
      pen = drawn;
    });
    this.brush.stroke();
  }

  // -- reading ---------------------------------------------------------------------------------

  /** What lies under a point of the canvas: {tile, row, column}, or null. */
  under(x, y) {
    const { form } = this;
    if (this.isLine) {
      const column = Math.floor(x / this.line.step);
      return column >= 0 && column < form.width ? { tile: 0, row: 0, column } : null;
    }
    const { columns, cellWidth, cellHeight, stepX, stepY } = this.grid;
    const [across, down] = [Math.floor(x / stepX), Math.floor(y / stepY)];
    const tile = down * columns + across;
    const [column, row] = [Math.floor((x - across * stepX) / cellWidth), Math.floor((y - down * stepY) / cellHeight)];
    const inside = across < columns && tile < form.tiles && column >= 0 && column < form.width && row >= 0 && row < form.height;
    return inside ? { tile, row, column } : null;
  }

  /** The cell that is `by` columns or rows away, from one tile into the next. */
  moved({ tile, row, column }, across, down) {
    const { width, height, tiles } = this.form;
    const line = clamp(tile * height + row + down, 0, tiles * height - 1);
    return { tile: Math.floor(line / height), row: line % height, column: clamp(column + across, 0, width - 1) };
  }

  /** The index of a cell and its value, as in "[0, 2, 4–7] = −0.12 (mean of 4)". */
  read({ tile, row, column }) {
    const { found } = this;
    const [down, across] = found.block;
    const range = (at, step, size) => {
      const [first, last] = [at * step, Math.min((at + 1) * step, size) - 1];
      return first < last ? `${first}–${last}` : String(first);
    };
    const places = found.shape.map((size, axis) => {
      if (axis === found.columns) return range(column, across, size);
      if (axis === found.rows) return range(row, down, size);
      if (axis === found.over) return String(found.first + tile);
      return axis === found.colours ? ":" : String(found.at[axis] ?? 0);
    });
    const index = found.complete ? places.join(", ") : String(column);
    const value = this.cellAt(tile, row, column).map((cell) => shortNumber(cell, found.boolean)).join(", ");
    return { index: `[${index}]`, value, mean: down * across > 1 ? down * across : null };
  }

  outline({ tile, row, column }) {
    if (this.isLine) return [column * this.line.step, 0, Math.max(this.line.step, 2), this.area.height];
    return this.boxOf(tile, row, column);
  }
}
