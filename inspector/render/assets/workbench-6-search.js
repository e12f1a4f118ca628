/* -- search of a graph pane: what is drawn, and where a server answers, all that was recorded ------- */

const MATCH_RINGS = 300;
const ASK_DELAY = 140; // ms after the last key
const RESULTS_PAGE = 100; // results asked for at once

Object.assign(LABELS, {
  results: "Results", found: "{n} found", foundOne: "1 found", searching: "Searching …",
  noMatch: "no match", noneFound: "Nothing was recorded that has all these words.",
  searchTips: "Words narrow each other: relu 64×3 nan. Or say where: op: name: module: shape: line: kind: dtype:",
  "found.op": "op", "found.decision": "decision", "found.call": "module call", "found.tensor": "input",
  "found.parameter": "parameter", "found.grad": "autograd", "found.ir": "IR", "found.trip": "trip",
  "help.searchWasRecorded": "/ | search all that was recorded: name, module, variable, shape (2×3), line (net.py:27), kind (nan, view, failed)",
  "help.opModuleShape": "op: module: shape: … | in the search: look at one field only; also name:, line:, kind:, dtype:, and %12 for a tensor",
  "help.search": "↓ ↑ in the search | go through the results; Enter shows the one that is marked",
});
HELP_ROWS.splice(HELP_ROWS.indexOf("help.nextMatch"), 0,
  "help.searchWasRecorded",
  "help.opModuleShape",
  "help.search");

/** Finds nodes by words. `matches` are nodes drawn here; `found` is the server's answer. */
class GraphSearch {
  constructor(pane) {
    this.pane = pane;
    this.matches = [];
    this.found = null;
    this.at = -1;
    this.asked = 0;
    this.askSoon = debounce(() => this.ask(), ASK_DELAY);
    this.build(pane.hub.t);
  }

  build(t) {
    const list = `wb-found-${this.pane.name}`;
    this.input = h("input", { type: "search", class: "wb-search", placeholder: t("search"), spellcheck: "false", autocomplete: "off",
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list,
      oninput: () => this.type(), onkeydown: (event) => this.key(event), onfocus: () => this.found && this.open(true) });
    this.count = h("span", { class: "wb-count", role: "status" });
    this.steps = h("span", { class: "wb-steps", hidden: true },
      button("‹", t("previous"), () => this.step(-1)), button("›", t("next"), () => this.step(1)));
    this.list = h("ul", { id: list, class: "wb-results", role: "listbox", "aria-label": t("results"),
      onpointerdown: (event) => event.preventDefault(), // the focus stays in the input
      onclick: (event) => this.clickResult(event), onscroll: () => this.more() });
    this.tips = h("p", { class: "wb-tips" }, t("searchTips"));
    this.drop = h("div", { class: "wb-drop", hidden: true }, this.list, this.tips);
    this.element = h("div", { class: "wb-find", onfocusout: (event) => !this.element.contains(event.relatedTarget) && this.open(false) },
      this.input, this.count, this.steps, this.drop);
  }

  get words() {
    return this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
  }

  /** How many there are to go through. */
  get total() {
    return this.found ? this.found.total : this.matches.length;
  }

  /** New content: find the same words again, move nothing. */
  refresh() {
    this.input.setAttribute("aria-label", this.pane.hub.t("searchIn", { title: this.pane.title }));
    this.texts = null;
    const { source } = this.pane.hub.frame ?? {};
    if (source !== this.source && this.words.length) this.type(); // another recording
    this.source = source;
    const current = this.matches[this.at];
    this.find();
    if (!this.found) this.at = this.matches.indexOf(current);
    this.show();
  }

  type() {
    this.at = -1;
    this.found = null;
    this.find();
    if (this.pane.hub.can("find")) this.askSoon();
    if (!this.words.length) this.open(false);
    this.show();
    if (this.matches.length && !this.pane.hub.can("find")) this.pane.reveal([this.matches[0]]);
  }

  // -- what is drawn ---------------------------------------------------------------------------

  find() {
    const { words } = this;
    if (!words.length) this.matches = [];
    else if (this.found) this.matches = this.drawnOf(this.found.results);
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

  // -- what was recorded -----------------------------------------------------------------------

  /** Ask for the first results of what is typed now; an answer that comes too late is dropped. */
  async ask() {
    const query = this.input.value.trim();
    const number = (this.asked += 1);
    if (!query || !this.pane.hub.can("find")) return;
    try {
      const found = await this.pane.hub.ask("find", { q: query, pane: this.pane.id, limit: RESULTS_PAGE, offset: 0 });
      if (number !== this.asked) return;
      this.found = { query, total: found.total, results: [...found.results] };
      this.at = -1;
      this.find();
      this.fill();
    } catch (error) {
      if (number !== this.asked || error.name === "AbortError") return;
      this.list.replaceChildren(h("li", { class: "wb-none" }, error.message));
    }
    this.open(this.element.contains(this.element.getRootNode().activeElement));
    this.show();
  }

  /** The nodes drawn here that are among the results. */
  drawnOf(results) {
    const ids = results.map((result) => splitRef(result.ref)).filter((parts) => parts?.pane === this.pane.id).map(({ id }) => id);
    return ids.filter((id) => this.pane.nodes.has(id));
  }

  /** The result at a place in the whole list; asks for its page if it is not here yet. */
  async resultAt(place) {
    const { found } = this;
    if (!found.results[place]) {
      const offset = Math.floor(place / RESULTS_PAGE) * RESULTS_PAGE;
      const page = await this.pane.hub.ask("find", { q: found.query, pane: this.pane.id, limit: RESULTS_PAGE, offset });
      page.results.forEach((result, index) => (found.results[offset + index] = result));
      if (found === this.found) this.fill();
    }
    return found.results[place];
  }

  /** Scrolled to the end of the list: ask for what follows. */
  more() {
    const { list, found } = this;
    if (!found || this.loading || list.scrollTop + list.clientHeight < list.scrollHeight - 40) return;
    const next = list.querySelectorAll("[data-at]").length;
    if (next >= found.total) return;
    this.loading = true;
    this.resultAt(next).catch(() => {}).finally(() => (this.loading = false));
  }

  fill() {
    const { t } = this.pane.hub;
    const { found } = this;
    const top = this.list.scrollTop;
    const rows = [];
    for (let at = 0; found.results[at]; at += 1) rows.push(this.row(found.results[at], at));
    const rest = found.total - rows.length;
    if (!rows.length) rows.push(h("li", { class: "wb-none" }, t("noneFound")));
    else if (rest > 0) rows.push(h("li", { class: "wb-none" }, `+ ${rest.toLocaleString("en")}`));
    this.list.replaceChildren(...rows);
    this.list.scrollTop = top;
  }

  row(result, at) {
    const { t } = this.pane.hub;
    const places = [result.module, result.line].filter(Boolean);
    return h("li", { id: `${this.list.id}-${at}`, role: "option", "data-at": at, "aria-selected": String(at === this.at) },
      h("span", { class: `wb-kind wb-kind-${result.kind}` }, t(`found.${result.kind}`)),
      h("strong", {}, result.title), result.name && h("em", {}, result.name), result.shape && h("code", {}, result.shape),
      h("span", { class: "wb-place" }, places.join("  ·  ")));
  }

  clickResult(event) {
    const at = event.target.closest("[data-at]")?.dataset.at;
    if (at !== undefined) this.go(Number(at));
  }

  // -- going through them ----------------------------------------------------------------------

  open(on) {
    const shown = on && this.words.length > 0 && (this.list.childElementCount > 0 || this.pane.hub.can("find")) && this.pane.hub.can("find");
    this.drop.hidden = !shown;
    this.input.setAttribute("aria-expanded", String(Boolean(shown)));
  }

  show() {
    const { t } = this.pane.hub;
    const { total } = this;
    const number = total.toLocaleString("en");
    const waits = this.pane.hub.can("find") && !this.found && this.words.length;
    const here = this.at < 0 ? (this.found ? t(total === 1 ? "foundOne" : "found", { n: number }) : `–/${number}`) : `${(this.at + 1).toLocaleString("en")}/${number}`;
    this.count.textContent = !this.words.length ? "" : total ? here : waits ? "…" : t("noMatch");
    this.steps.hidden = !total;
    for (const row of this.list.querySelectorAll("[data-at]")) row.setAttribute("aria-selected", String(Number(row.dataset.at) === this.at));
    if (this.at >= 0 && !this.drop.hidden) this.input.setAttribute("aria-activedescendant", `${this.list.id}-${this.at}`);
    else this.input.removeAttribute("aria-activedescendant");
    this.pane.paint();
  }

  /** Show the next (1) or previous (-1) one. */
  step(by) {
    const { total } = this;
    if (total) this.go(this.at < 0 ? (by > 0 ? 0 : total - 1) : (this.at + by + total) % total);
  }

  /** Mark the next or previous row of the list, without showing it in the graph yet. */
  markRow(by) {
    const rows = [...this.list.querySelectorAll("[data-at]")];
    if (!rows.length) return;
    this.at = clamp(this.at + by, 0, rows.length - 1);
    this.show();
    rows[this.at].scrollIntoView({ block: "nearest" });
  }

  async go(at) {
    this.at = at;
    const { pane, found } = this;
    this.show();
    if (!found) return this.goTo(this.matches[at]);
    const result = await this.resultAt(at).catch((error) => void (pane.hub.live.textContent = error.message));
    if (!result || found !== this.found || this.at !== at) return undefined;
    this.open(false);
    const parts = splitRef(result.ref);
    if (parts.pane === pane.id && pane.elementOf(parts.id)) this.goTo(parts.id);
    else if (!(await pane.hub.show(result.ref, result.boxes))) this.nearest(result);
    return this.show();
  }

  /** What stands for a result that is not drawn by itself: one of equal trips, a closed box. */
  nearest({ op, grad }) {
    if (grad !== null) this.pane.hub.selectGrad(grad);
    else if (op !== null) this.pane.hub.selectOp(op);
  }

  goTo(id) {
    this.pane.hub.select(this.pane.id, id, { origin: this.pane.id });
    this.pane.reveal([id]);
    this.show();
  }

  key(event) {
    const listed = !this.drop.hidden;
    if (event.key === "Enter" && listed && this.at >= 0 && !event.shiftKey) this.go(this.at);
    else if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && listed) this.open(false);
    else if (event.key === "Escape") this.leave();
    else if (event.key === "ArrowDown" && this.found) listed ? this.markRow(1) : this.open(true);
    else if (event.key === "ArrowUp" && listed) this.markRow(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  leave() {
    const id = this.pane.marks.selected;
    this.askSoon.cancel();
    this.asked += 1;
    this.input.value = "";
    this.type();
    if (id !== null && this.pane.nodes.has(id)) this.pane.focusNode(id, { show: false });
    else this.pane.viewport.focus({ preventScroll: true });
  }

  destroy() {
    this.askSoon.cancel();
  }
}
