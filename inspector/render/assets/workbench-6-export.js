/* -- a picture of what is seen: SVG and PNG, made from what is drawn -------------------------------- */

const PNG_SCALE = 2; // pixels for each px of the drawing
const PNG_LONGEST = 16_000; // px of a side: what browsers draw, and image viewers open
const PNG_MOST = 40_000_000; // px in all: 4 bytes each
const EXPORT_PAD = 16;
const EXPORT_TITLE = 34;
const EXPORT_SCALE = 30; // room of the heat's scale
const EXPORT_FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', " +
  "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Source Han Sans SC', sans-serif";
const SAID_FOR = 8000; // ms

Object.assign(LABELS, {
  pngScaled: "Saved at {percent} of the usual sharpness: the picture is {width} × {height}. The SVG has all of it.",
  pngFailed: "This browser could not draw the picture as PNG. The SVG has all of it.",
});

/** Properties that make a drawing look as it does, and what they are where nothing is said. */
const EXPORT_STYLE = {
  fill: "rgb(0, 0, 0)", "fill-opacity": "1", "fill-rule": "nonzero", stroke: "none", "stroke-width": "1", "stroke-opacity": "1",
  "stroke-dasharray": "none", "stroke-linejoin": "miter", "stroke-linecap": "butt", "paint-order": "normal", "text-anchor": "start",
  "font-family": "", "font-size": "16", "font-weight": "400", "font-style": "normal",
};

/* A copy of a drawing in which each element has the style that it is seen with, as attributes: no
 * variables, no rules and no fonts from elsewhere, so that any viewer shows the same. Elements of equal
 * classes in equal places look alike, so the browser is asked once for each. */
class StyledCopy {
  constructor() {
    this.known = new Map(); // key of an element -> its style
    this.markers = new Map(); // colour -> id of an arrowhead
    this.defs = s("defs");
  }

  /** The copy of an element with all that is in it; null where it is not shown. */
  of(el, parent = { key: "", style: EXPORT_STYLE }) {
    const tag = el.localName;
    if (/^(defs|title|desc|style|marker)$/.test(tag) || el.matches(".wb-edge-hits, .wb-ring-cursor")) return null;
    const key = `${parent.key}>${tag}.${el.getAttribute("class") ?? ""}`;
    if (!this.known.has(key)) this.known.set(key, this.read(el));
    const own = { key, style: this.known.get(key) };
    if (own.style === null) return null;
    const copy = document.createElementNS(SVG_NS, tag);
    for (const name of ["d", "x", "y", "width", "height", "rx", "ry", "r", "cx", "cy", "transform", "text-anchor", "data-id"]) {
      if (el.hasAttribute(name)) copy.setAttribute(name, el.getAttribute(name));
    }
    for (const [name, value] of Object.entries(own.style)) if (value !== parent.style[name]) copy.setAttribute(name, value);
    for (const end of ["marker-start", "marker-end"]) if (el.hasAttribute(end)) copy.setAttribute(end, `url(#${this.marker(own.style.stroke)})`);
    const name = el.getAttribute("aria-label");
    if (name && el.matches(".node, .box")) copy.append(titled(name));
    for (const child of el.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) copy.append(child.nodeValue);
      else if (child.nodeType === Node.ELEMENT_NODE) copy.append(...[this.of(child, own)].filter(Boolean));
    }
    return copy;
  }

  read(el) {
    const seen = getComputedStyle(el);
    if (seen.display === "none" || seen.visibility === "hidden") return null;
    const style = Object.fromEntries(Object.keys(EXPORT_STYLE).map((name) => [name, plainLength(name, seen.getPropertyValue(name))]));
    for (const name of ["fill", "stroke"]) {
      const [colour, alpha] = plainColour(style[name]);
      style[name] = colour;
      const opacity = Number(style[`${name}-opacity`]) * alpha * Number(seen.opacity);
      style[`${name}-opacity`] = String(Math.round(opacity * 1000) / 1000);
    }
    return style;
  }

  /** An arrowhead in a colour: few viewers know that one can take its line's. */
  marker(colour) {
    if (!this.markers.has(colour)) {
      const id = `arrow-${this.markers.size}`;
      this.markers.set(colour, id);
      this.defs.append(s("marker", { id, markerUnits: "userSpaceOnUse", markerWidth: 9, markerHeight: 8, refX: 0.5, refY: 4, orient: "auto-start-reverse" },
        s("path", { d: "M0,0.8 L8,4 L0,7.2 Z", fill: colour })));
    }
    return this.markers.get(colour);
  }
}

function titled(text) {
  const title = s("title");
  title.textContent = text;
  return title;
}

/** A computed colour as ["#rrggbb", opacity]; words ("none") stay. */
function plainColour(value) {
  if (!/^(rgba?|color)\(/.test(value)) return [value, 1];
  const scale = value.startsWith("color(") ? 255 : 1;
  const numbers = (value.replace(/^color\(srgb/, "(").match(/-?[\d.]+(e-?\d+)?/g) || []).map(Number);
  const hex = numbers.slice(0, 3).map((one) => Math.round(clamp(one * scale, 0, 255)).toString(16).padStart(2, "0"));
  return [`#${hex.join("")}`, numbers[3] ?? 1];
}

/** A length or a list of them without its unit: px is what a drawing counts in. */
function plainLength(name, value) {
  return /^(stroke-width|stroke-dasharray|font-size)$/.test(name) ? value.replaceAll("px", "") : value;
}

/** The rectangle that holds a pane's drawing and what is drawn over it. */
function roomOf(pane) {
  const { x, y, width, height } = pane.svg.viewBox.baseVal;
  const lines = pane.overlay.querySelector(".wb-relation-lines");
  const box = lines ? lines.getBBox() : { x: 0, y: 0, width: 0, height: 0 };
  const [left, top] = [Math.min(x, x + box.x - 8), Math.min(y, y + box.y - 8)];
  const [right, bottom] = [Math.max(x + width, x + box.x + box.width + 8), Math.max(y + height, y + box.y + box.height + 8)];
  return { x: left, y: top, w: right - left, tall: bottom - top };
}

/** What a pane shows as one SVG: title, scale of the colours, drawing, marks: {svg, width, height}. */
function pictureOf(pane) {
  const { x, y, w, tall } = roomOf(pane);
  const copy = new StyledCopy();
  const colour = (el, name) => plainColour(getComputedStyle(el).getPropertyValue(name))[0];
  const ink = { text: colour(pane.hub.element, "color"), canvas: colour(pane.viewport, "background-color"), muted: colour(pane.note, "color") };
  const scale = pane.heat.scale.hidden ? [] : heatScalePicture(pane, ink);
  const head = EXPORT_TITLE + (scale.length ? EXPORT_SCALE : 0);
  const [width, height] = [Math.max(w, 420) + 2 * EXPORT_PAD, tall + head + EXPORT_PAD];
  const words = [pane.title, pane.trace.element.hidden ? "" : pane.trace.text.textContent].filter(Boolean).join(" · ");
  const svg = s("svg", { xmlns: SVG_NS, viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": words },
    titled(words), copy.defs, s("rect", { width, height, fill: ink.canvas }));
  const place = s("g", { transform: `translate(${(width - w) / 2 - x},${head - y})` });
  for (const layer of [pane.svg, pane.overlay]) {
    const drawn = copy.of(layer);
    const group = s("g");
    for (const name of drawn.getAttributeNames()) if (name in EXPORT_STYLE) group.setAttribute(name, drawn.getAttribute(name));
    group.append(...drawn.childNodes);
    place.append(group);
  }
  const title = textAt(words, EXPORT_PAD, 24, { fill: ink.text, "font-size": 16, "font-weight": 600 });
  svg.append(place, title, ...scale); // last: the veil beside a selection reaches over the border
  return { svg, width, height };
}

function textAt(text, x, y, more) {
  const el = s("text", { x, y, "font-family": EXPORT_FONT, ...more });
  el.textContent = text;
  return el;
}

/** The scale of the colours, as the pane shows it: its words and its steps. */
function heatScalePicture(pane, ink) {
  const parts = [];
  let x = EXPORT_PAD;
  const y = EXPORT_TITLE + 4;
  for (const part of pane.heat.scale.children) {
    const steps = [...part.querySelectorAll(".wb-heat-step")];
    for (const step of steps) {
      parts.push(s("rect", { x, y, width: 20, height: 12, fill: plainColour(getComputedStyle(step).backgroundColor)[0] }));
      x += 20;
    }
    if (!steps.length && part.textContent) {
      const bold = part.localName === "strong";
      parts.push(textAt(part.textContent, x, y + 10.5, { fill: bold ? ink.text : ink.muted, "font-size": 12, "font-weight": bold ? 600 : 400 }));
      x += Math.ceil(part.getBoundingClientRect().width || part.textContent.length * 7);
    }
    x += 8;
  }
  return parts;
}

function svgBlob(svg) {
  return new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });
}

/** How many pixels a px of the drawing becomes in a PNG. */
function pngScale(width, height) {
  return Math.min(PNG_SCALE, PNG_LONGEST / Math.max(width, height), Math.sqrt(PNG_MOST / (width * height)));
}

/** A picture as PNG; rejects where the browser cannot draw it. */
async function pngBlob({ svg, width, height }, scale) {
  const url = URL.createObjectURL(svgBlob(svg));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = h("canvas", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    if (!blob) throw new Error("no picture");
    return blob;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Save what a pane shows as "svg" or "png". Returns what is to be said of it: that it had to be smaller. */
async function savePicture(pane, kind) {
  const { hub } = pane;
  const picture = pictureOf(pane);
  if (kind === "svg") {
    saveBlob(svgBlob(picture.svg), `graph-${pane.id}.svg`);
    return "";
  }
  const scale = pngScale(picture.width, picture.height);
  let blob;
  try {
    blob = await pngBlob(picture, scale);
  } catch {
    throw new Error(hub.t("pngFailed"));
  }
  saveBlob(blob, `graph-${pane.id}.png`);
  return scale < PNG_SCALE ? hub.t("pngScaled", { percent: `${Math.round((100 * scale) / PNG_SCALE)} %`,
    width: Math.round(picture.width).toLocaleString("en"), height: Math.round(picture.height).toLocaleString("en") }) : "";
}

/** Say something for a while in the line over the workbench. */
function sayFor(notice, text, ms = SAID_FOR) {
  notice.cancel = null;
  notice.show(text, { failed: false });
  notice.close.hidden = false;
  notice.timer = setTimeout(() => notice.hide(), ms);
}
