/* -- search of a text pane: the lines of IR text, or of all Python files ---------------------------- */

Object.assign(LABELS, {
  "help.textSearch": "/, N, Shift+N in a text | search its lines; of Python source those of all files",
});
HELP_ROWS.splice(-2, 0, "help.textSearch");

class TextSearch {
  constructor(pane) {
    this.pane = pane;
    this.matches = []; // [{file: path or null, index}]
    this.at = -1;
    const { t } = pane.hub;
    this.input = h("input", { type: "search", class: "wb-search", placeholder: t("search"), spellcheck: "false", autocomplete: "off",
      oninput: () => this.type(), onkeydown: (event) => this.key(event) });
    this.count = h("span", { class: "wb-count", role: "status" });
    this.steps = h("span", { class: "wb-steps", hidden: true },
      button("‹", t("previous"), () => this.step(-1)), button("›", t("next"), () => this.step(1)));
    this.element = h("div", { class: "wb-find" }, this.input, this.count, this.steps);
  }

  /** Keys that mean the search where the text has the focus; whether it was one. */
  shortcut(key) {
    const actions = { "/": () => this.input.select(), n: () => this.step(1), N: () => this.step(-1) };
    actions[key]?.();
    return key in actions;
  }

  /** Other lines are shown: find the same words again, move nothing. */
  refresh() {
    this.input.setAttribute("aria-label", this.pane.hub.t("searchIn", { title: this.pane.spec.title }));
    this.element.hidden = !(this.pane.spec.lines?.length || this.pane.spec.files?.length);
    const current = this.matches[this.at];
    this.find();
    this.at = this.matches.findIndex((one) => one.file === current?.file && one.index === current?.index);
    this.show();
  }

  type() {
    this.find();
    this.at = -1;
    this.show();
    const first = this.matches.find((one) => one.file === this.file);
    if (first) this.pane.scrollTo(this.lineOf(first), false, true);
  }

  /** The file that is shown; null for IR text. */
  get file() {
    return this.pane.isSource ? this.pane.picker.value : null;
  }

  find() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { spec, isSource } = this.pane;
    const texts = isSource ? spec.files.map((file) => [file.path, file.lines]) : [[null, (spec.lines || []).map((line) => line.text)]];
    const has = (text) => words.every((word) => text.includes(word));
    this.matches = !words.length ? [] : texts.flatMap(([file, lines]) =>
      lines.flatMap((text, index) => (has(text.toLowerCase()) ? [{ file, index }] : [])));
  }

  lineOf({ index }) {
    return this.pane.scroller.querySelectorAll(".wb-line")[index];
  }

  show() {
    const total = this.matches.length;
    const typed = this.input.value.trim() !== "";
    this.count.textContent = !typed ? "" : total ? `${this.at < 0 ? "–" : this.at + 1}/${total}` : this.pane.hub.t("noMatch");
    this.steps.hidden = !total;
    const rows = this.pane.scroller.querySelectorAll(".wb-line");
    for (const row of this.pane.scroller.querySelectorAll(".wb-hit")) row.classList.remove("wb-hit", "wb-hit-now");
    for (const [at, { file, index }] of this.matches.entries()) {
      if (file !== this.file) continue;
      rows[index]?.classList.add("wb-hit");
      if (at === this.at) rows[index]?.classList.add("wb-hit-now");
    }
  }

  /** Scroll to the next (1) or previous (-1) line; those of other files open their file. */
  step(by) {
    const total = this.matches.length;
    if (!total) return;
    const here = this.matches.findIndex((one) => one.file === this.file);
    const first = by > 0 ? Math.max(here, 0) : total - 1;
    this.at = this.at < 0 ? first : (this.at + by + total) % total;
    const match = this.matches[this.at];
    if (match.file !== this.file) this.pane.showFile(match.file); // finds again, and keeps the place
    this.at = this.matches.findIndex((one) => one.file === match.file && one.index === match.index);
    const line = this.lineOf(match);
    if (line) this.pane.scrollTo(line, true, true);
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
    this.input.value = "";
    this.type();
    this.pane.scroller.focus({ preventScroll: true });
  }
}
