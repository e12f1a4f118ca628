/* -- TextPane: TorchScript text and Python source ------------------------------------------------ */

const PYTHON_TOKENS = new RegExp(
  "(?<comment>#.*$)|(?<string>[rbfuRBFU]{0,2}(?:'(?:\\\\.|[^'\\\\])*'|\"(?:\\\\.|[^\"\\\\])*\"))" +
    "|(?<word>\\b(?:and|as|assert|async|await|break|class|continue|def|del|elif|else|except|False|finally|for|from|" +
    "global|if|import|in|is|lambda|None|nonlocal|not|or|pass|raise|return|True|try|while|with|yield)\\b)" +
    "|(?<number>\\b\\d[\\w.]*)", "g");
const IR_TOKENS = new RegExp(
  "(?<comment>#.*$)|(?<string>\"(?:\\\\.|[^\"\\\\])*\")|(?<kind>\\b(?:aten|prim|onnx|custom)::\\w+)|(?<value>%[\\w.]+)" +
    "|(?<word>\\b(?:graph|block\\d+|return)\\b)|(?<number>\\b-?\\d[\\w.]*)", "g");

/** `text` as text nodes and coloured spans, in order. */
function colouredText(text, tokens) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(tokens)) {
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    parts.push(text.slice(at, match.index), h("span", { class: `wb-t-${kind}` }, match[0]));
    at = match.index + match[0].length;
  }
  return [...parts, text.slice(at)].filter((part) => part !== "");
}

Object.assign(LABELS, { ways: "true {taken}×, false {other}×", trips: "{taken} trips" });

/** An element with one more class, if there is one. */
function marked(el, name) {
  if (name) el.classList.add(name);
  return el;
}

/* Lines that can be selected. `spec.lines` makes a pane of IR text whose lines stand for nodes of
 * the pane `spec.of` ("static"); `spec.files` one of Python source, one file at a time. */
class TextPane {
  constructor(hub, spec) {
    this.hub = hub;
    this.id = spec.id;
    this.rows = new Map(); // key of a line -> its elements (a node may stand on several lines)
    this.marks = { selected: null, linked: new Set() };
    this.note = h("p", { class: "wb-note" });
    this.picker = h("select", { class: "wb-picker", "aria-label": hub.t("file"), hidden: true,
      onchange: () => this.showFile(this.picker.value) });
    this.scroller = h("div", { class: "wb-text", tabindex: "0", role: "listbox", "aria-label": spec.title,
      onclick: (event) => this.click(event), onkeydown: (event) => this.key(event) });
    this.message = h("p", { class: "wb-empty" });
    this.spec = spec;
    this.search = new TextSearch(this);
    this.element = h("div", { class: "wb-pane" },
      h("div", { class: "wb-bar" }, this.picker, this.note, this.search.element),
      h("div", { class: "wb-canvas" }, this.scroller, this.message));
  }

  get isSource() {
    return Boolean(this.spec.files);
  }

  update(spec) {
    const content = JSON.stringify([spec.lines, spec.files, spec.note]);
    this.spec = spec;
    if (content === this.content) return;
    this.content = content;
    this.note.textContent = spec.note || "";
    if (this.isSource) this.fillPicker();
    else this.fill(spec.lines || [], (line) => this.irRow(line));
  }

  // -- content ---------------------------------------------------------------------------------

  fillPicker() {
    const { files } = this.spec;
    this.picker.replaceChildren(...files.map((file) => h("option", { value: file.path, title: file.path }, file.name)));
    this.picker.hidden = files.length < 2;
    const shown = files.find((file) => file.path === this.hub.memory.files[this.id]) || files[0];
    if (shown) this.showFile(shown.path);
    else this.fill([], () => null);
  }

  showFile(path) {
    const file = this.spec.files.find((one) => one.path === path);
    if (!file) return;
    this.hub.memory.files[this.id] = path;
    this.picker.value = path;
    this.note.textContent = [this.spec.files.length < 2 ? file.name : "", this.spec.note].filter(Boolean).join(" · ");
    this.note.title = path;
    this.fill(file.lines, (text, index) => this.sourceRow(file, text, index + (file.first || 1)));
    const begin = this.scroller.querySelector(".wb-line.wb-executed"); // not the licence at the top
    if (begin) this.scroller.scrollTop = begin.offsetTop - 3 * begin.offsetHeight;
  }

  fill(lines, makeRow) {
    this.rows = new Map();
    this.scroller.replaceChildren(h("div", { class: "wb-lines" }, lines.map(makeRow)));
    this.message.hidden = lines.length > 0;
    this.message.textContent = this.spec.empty || this.hub.t("empty");
    this.search.refresh();
    this.paint();
  }

  sourceRow(file, text, number) {
    const hits = file.hits?.[number] || 0;
    const key = lineKey(file.path, number);
    const gutter = [h("span", { class: "wb-no" }, String(number)), this.countMark(file.sides ? file.sides[number] ?? [0, 0] : null, hits > 1 ? `${hits}×` : ""),
      Object.keys(file.branches || {}).length > 0 && this.ways(file.branches[number])].filter(Boolean);
    const open = hits > 0 || this.hub.itemsOnLine(key).length > 0;
    const hint = hits ? this.hub.t("times", { n: hits }) : null;
    const row = this.row(open ? key : null, hits ? "executed" : "", gutter, colouredText(text, PYTHON_TOKENS), hint);
    return marked(row, sideClass(file.sides?.[number]));
  }

  /** How often a line ran; of two runs, in each of them. */
  countMark(sides, text) {
    if (!sides) return h("span", { class: "wb-hits" }, text);
    return sides.some(Boolean) ? sideCounts(this.hub, sides) : h("span", { class: "wb-run-counts" });
  }

  /** Which way the statement on a line went, and how often. */
  ways(branch) {
    if (!branch) return h("span", { class: "wb-ways" });
    const [kind, taken, other] = branch;
    const loop = kind === "for" || kind === "while";
    const label = this.hub.t(loop ? "trips" : "ways", { taken, other });
    const marks = loop ? [`↻${taken}`] : [taken && `✓${taken}`, other && `✗${other}`].filter(Boolean);
    return h("span", { class: "wb-ways", title: label, role: "img", "aria-label": label }, marks.join(" "));
  }

  irRow({ text, node, state, count, sides, sign }) {
    const mark = state === "skipped" ? "–" : count > 1 ? `${count}×` : "";
    const hint = state === "skipped" ? this.hub.t("skipped") : count ? this.hub.t("times", { n: count }) : null;
    const gutter = sign ? signMark(sign) : this.countMark(sides ?? (this.spec.runs ? [0, 0] : null), mark);
    return marked(this.row(node ?? null, state, [gutter], colouredText(text, IR_TOKENS), hint), sideClass(sides));
  }

  row(key, state, gutter, code, hint) {
    const open = key !== null;
    const el = h("div", { class: `wb-line${state === "executed" || state === "skipped" ? ` wb-${state}` : ""}`, title: hint,
      "data-key": key, role: open ? "option" : "presentation", tabindex: open ? "-1" : null, "aria-selected": open ? "false" : null },
    gutter, h("code", {}, code.length ? code : "\u200b"));
    if (open) this.rows.set(key, [...(this.rows.get(key) || []), el]);
    return el;
  }

  // -- selection -------------------------------------------------------------------------------

  click(event) {
    const key = event.target.closest?.(".wb-line[data-key]")?.dataset.key;
    if (key !== undefined) this.choose(key);
  }

  choose(key) {
    if (this.spec.opens) return this.hub.goTo(this.spec.of, key, { origin: this.id });
    return this.hub.select(this.isSource ? this.id : this.spec.of || "static", key, { origin: this.id });
  }

  key(event) {
    const current = event.target.closest(".wb-line");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.search.shortcut(event.key)) return event.preventDefault();
    if (event.key === "Enter" && current) this.choose(current.dataset.key);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") this.walk(current, event.key === "ArrowDown" ? 1 : -1);
    else return undefined;
    return event.preventDefault();
  }

  walk(current, by) {
    const lines = [...this.scroller.querySelectorAll(".wb-line[data-key]")];
    const from = current ?? this.scroller.querySelector(".wb-chosen");
    const next = lines[clamp(lines.indexOf(from) + by, 0, lines.length - 1)];
    next?.focus({ preventScroll: true, focusVisible: true });
    if (next) this.scrollTo(next);
  }

  /** `marks.selected` is one line's key, `marks.linked` further ones. */
  setMarks(marks) {
    this.marks = marks;
    this.paint();
  }

  paint() {
    for (const el of this.scroller.querySelectorAll(".wb-chosen, .wb-lit")) {
      el.classList.remove("wb-chosen", "wb-lit");
      el.setAttribute("aria-selected", "false");
    }
    for (const key of this.marks.linked) for (const el of this.rows.get(key) || []) el.classList.add("wb-lit");
    for (const el of this.rows.get(this.marks.selected) || []) {
      el.classList.add("wb-chosen");
      el.setAttribute("aria-selected", "true");
    }
  }

  /** Scroll to the first of these lines unless one is in view; a source pane opens its file. */
  reveal(keys, smooth = true) {
    this.pendingReveal = null;
    if (this.isSource && keys.length && !keys.some((key) => this.rows.has(key))) this.openFileOf(keys[0]);
    const lines = keys.flatMap((key) => this.rows.get(key) || []);
    if (!lines.length) return;
    if (!this.scroller.clientHeight) this.pendingReveal = keys;
    else if (!lines.some((line) => this.inView(line))) this.scrollTo(lines[0], smooth, true);
  }

  openFileOf(key) {
    const file = this.spec.files.find((one) => key.startsWith(`${one.path}:`));
    if (file && file.path !== this.picker.value) this.showFile(file.path);
  }

  inView(line) {
    const top = line.offsetTop - this.scroller.scrollTop;
    return top >= 0 && top + line.offsetHeight <= this.scroller.clientHeight;
  }

  scrollTo(line, smooth = false, middle = false) {
    if (this.inView(line)) return;
    const room = this.scroller.clientHeight - line.offsetHeight;
    const below = line.offsetTop > this.scroller.scrollTop;
    const top = middle ? line.offsetTop - room / 2 : below ? line.offsetTop - room : line.offsetTop;
    this.scroller.scrollTo({ top, behavior: smooth && !reducedMotion() ? "smooth" : "instant" });
  }

  /** Shown or hidden: scroll to what a hidden pane could not. */
  resized() {
    if (this.pendingReveal) this.reveal(this.pendingReveal, false);
  }

  destroy() {}
}
