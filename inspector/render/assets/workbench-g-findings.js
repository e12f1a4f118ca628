/* -- findings: what is wrong in the run, and answers to questions that begin with why --------------- */

Object.assign(LABELS, {
  findingsWait: "Looking for what is wrong …", findingsNone: "Nothing is wrong in this run: {n} rules were checked.", findingsNotes: "No errors and no warnings: {n} rules were checked.",
  findingsTry: "Something to try: select a node, and click one of the sizes on its card. It says where that size comes from.",
  findingsMore: "… {n} more", findingsFailed: "This could not be looked for: {reason}",
  "count.error": "{n} errors", "count.error.one": "1 error", "count.warning": "{n} warnings", "count.warning.one": "1 warning",
  "count.note": "{n} notes", "count.note.one": "1 note", severity_error: "Error", severity_warning: "Warning", severity_note: "Note",
  remedy: "What to do", aboutRule: "About this rule", ruleExample: "Example", ruleInstead: "Instead",
  way: "{n} ops belong to it", "way.one": "1 op belongs to it", whyLit: "{n} stations of the way", whyWay: "From the cause on", whyWait: "Looking …",
  whySize: "Why {size}? Where dimension {dim} got its size", whyClose: "Close the answer",
  "help.enterFindings": "↑ ↓, Enter in the findings | go through the list, go to the cause and light up what belongs to it",
});
HELP_ROWS.splice(-2, 0,
  "help.enterFindings");

const SEVERITIES = ["error", "warning", "note"];

/** The sign of a severity: its form says it, too, not its colour alone. */
function severitySign(severity) {
  const sign = {
    error: ["M5 1H11L15 5V11L11 15H5L1 11V5Z", "M5.3 5.3L10.7 10.7M10.7 5.3L5.3 10.7"],
    warning: ["M8 1.2L15.3 14.5H0.7Z", "M8 5.8V10M8 12V12.2"],
    note: ["M8 1A7 7 0 1 1 8 15A7 7 0 1 1 8 1Z", "M8 7.4V11.6M8 4.6V4.8"],
  }[severity];
  return s("svg", { class: `wb-severity wb-is-${severity}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { class: "wb-severity-form", d: sign[0] }), s("path", { class: "wb-severity-mark", d: sign[1] }));
}

/** "`code`" in a text as code elements. */
function withCode(text) {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, at) => (at % 2 ? h("code", {}, part) : part)) : text;
}

/* A pane with a list. What is in it comes after the picture: `load` asks for it, once for each recording. */
class FindingsPane {
  constructor(hub, spec) {
    this.hub = hub;
    this.id = spec.id;
    this.marks = { selected: null, linked: new Set() };
    this.answer = h("div", { "aria-live": "polite" });
    this.list = h("div", {});
    this.tally = h("span", { class: "wb-tally", role: "img", hidden: true });
    this.element = h("div", { class: "wb-pane wb-findings", onkeydown: (event) => this.key(event) }, this.answer, this.list);
  }

  /** A new picture: of the same recording it changes nothing here. */
  update() {
    const { hub } = this;
    if (this.source === hub.source) return;
    this.source = hub.source;
    this.shown = null;
    this.opensOnCause = hub.memory.selected === null && hub.memory.moment === null;
    this.tally.hidden = true;
    this.answer.replaceChildren();
    this.list.replaceChildren(h("p", { class: "wb-quiet" }, hub.t("findingsWait")));
  }

  /** Ask for the findings. Where there is an error, and nothing is looked at yet, its cause is. */
  async load() {
    const { source, hub } = this;
    if (this.shown || !source) return;
    this.shown = "asked";
    try {
      const found = await source.ask("findings");
      if (source !== this.source) return;
      this.show(found);
      const first = found.findings[0];
      if (first?.severity === "error" && this.opensOnCause && hub.memory.selected === null) {
        hub.activate(this.id);
        await this.choose(first);
      }
    } catch (error) {
      if (source !== this.source) return;
      this.shown = null;
      const again = button(hub.t("retry"), hub.t("retry"), () => this.load(), { class: "wb-button wb-word" });
      this.list.replaceChildren(h("p", {}, hub.t("findingsFailed", { reason: error.message }), " ", again));
    }
  }

  // -- the list --------------------------------------------------------------------------------

  show(found) {
    const { t } = this.hub;
    this.shown = found;
    this.rows = new Map();
    const of = (severity) => found.findings.filter((one) => one.severity === severity);
    const [notes, loud] = [of("note"), [...of("error"), ...of("warning")]];
    const healthy = !loud.length && h("section", { class: "wb-healthy" },
      h("p", {}, t(notes.length ? "findingsNotes" : "findingsNone", { n: found.checked })), this.hub.can("sizes") && h("p", { class: "wb-quiet" }, t("findingsTry")));
    const rows = (some) => h("ul", {}, some.map((one) => this.row(one)));
    const folded = notes.length > 0 && h("details", { class: "wb-notes" },
      h("summary", {}, severitySign("note"), this.counted("note", notes.length)), rows(notes));
    const more = found.more > 0 && h("p", { class: "wb-quiet" }, t("findingsMore", { n: found.more }));
    this.list.replaceChildren(...[healthy, loud.length > 0 && rows(loud), folded, more].filter(Boolean));
    this.tell(of("error").length, of("warning").length);
  }

  counted(severity, n) {
    return this.hub.t(`count.${severity}${n === 1 ? ".one" : ""}`, { n });
  }

  /** How many there are, on the tab. */
  tell(errors, warnings) {
    const counts = [["error", errors], ["warning", warnings]].filter(([, n]) => n);
    this.tally.hidden = !counts.length;
    this.tally.setAttribute("aria-label", counts.map(([severity, n]) => this.counted(severity, n)).join(", "));
    this.tally.replaceChildren(...counts.flatMap(([severity, n]) => [severitySign(severity), String(n)]));
    this.hub.panes.get(this.id).title.after(this.tally);
  }

  row(one) {
    const { t } = this.hub;
    const about = this.shown.rules[one.rule];
    const title = h("button", { type: "button", class: "wb-finding-title", onclick: () => this.choose(one) },
      severitySign(one.severity), h("span", { class: "wb-live" }, `${t(`severity_${one.severity}`)}: `), h("strong", {}, about?.title ?? one.rule));
    const row = h("li", { class: `wb-finding`, onclick: (event) => this.click(event, one) }, title,
      h("p", {}, withCode(one.message)), this.where(one.place, one),
      one.help && h("p", { class: "wb-remedy" }, h("strong", {}, `${t("remedy")}: `), withCode(one.help)), about && this.about(one.rule, about));
    this.rows.set(one, row);
    return row;
  }

  /** A click beside the title does the same; one that marks text, or is on something else to click, does not. */
  click(event, one) {
    if (event.target.closest("button, details, a") || String(getSelection())) return;
    this.choose(one);
  }

  where(place, goes) {
    if (!place) return null;
    const open = async () => {
      await this.choose(goes);
      this.hub.openSource(place);
    };
    return h("p", { class: "wb-at" }, h("button", { type: "button", class: "wb-link", title: `${place.path}:${place.line}`, onclick: open }, `${place.file}:${place.line}`),
      place.text && h("code", { title: place.text }, colouredText(place.text, PYTHON_TOKENS)));
  }

  about(name, { what, why, example, instead }) {
    const { t } = this.hub;
    const code = (title, text) => text && [h("h5", {}, t(title)), h("pre", {}, colouredText(text, PYTHON_TOKENS))];
    return h("details", { class: "wb-about" }, h("summary", {}, t("aboutRule"), " ", h("code", {}, name)),
      h("p", {}, withCode(what)), h("p", {}, withCode(why)), code("ruleExample", example), code("ruleInstead", instead));
  }

  // -- where it leads --------------------------------------------------------------------------

  /** Go to the cause, and light up the ops that belong to it. */
  async choose(one) {
    const { t } = this.hub;
    const ops = [one.op, ...(one.related || [])].filter((op) => op !== null && op !== undefined);
    await this.goTo(one);
    for (const [other, row] of this.rows || []) row.classList.toggle("wb-current", other === one);
    this.chosen = this.hub.memory.selected;
    this.lightUp("dynamic", "ops", ops, t(ops.length === 2 ? "way.one" : "way", { n: ops.length - 1 }));
  }

  /** Select an op or an autograd node, in front unless that would hide this list. */
  async goTo({ op = null, grad = null }) {
    if (op === null && grad === null) return;
    const pane = op === null ? "backward" : "dynamic";
    const entry = this.hub.panes.get(pane);
    if (entry && entry.side !== this.hub.panes.get(this.id)?.side) this.hub.activate(pane);
    await this.hub.goTo(pane, op === null ? `grad:${grad}` : `op:${op}`);
  }

  /** Light up what draws these numbers: more than one. */
  lightUp(pane, kind, numbers, told) {
    if (numbers.length < 2) return;
    const ids = this.hub.itemsWith(pane, kind, [numbers]).filter((id) => !/^(parameters|tensor|input|output):|@/.test(id));
    this.hub.panes.get(pane)?.pane.trace.way(ids, told);
  }

  setMarks(marks) {
    this.marks = marks;
    if (this.hub.memory.selected === this.chosen) return;
    this.chosen = null;
    for (const row of this.element.querySelectorAll(".wb-current")) row.classList.remove("wb-current");
  }

  key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey || event.target.localName === "summary") return;
    const stops = [...this.element.querySelectorAll(".wb-finding-title, .wb-station")].filter((one) => one.checkVisibility());
    const at = stops.indexOf(event.target);
    const next = stops[at < 0 ? (by > 0 ? 0 : stops.length - 1) : clamp(at + by, 0, stops.length - 1)];
    next?.focus({ focusVisible: true });
    event.preventDefault();
    event.stopPropagation();
  }

  // -- why -------------------------------------------------------------------------------------

  /** Ask the server why, and show the answer over the list. */
  async why(ask) {
    const { hub, source } = this;
    hub.activate(this.id);
    const number = (this.asked = (this.asked || 0) + 1);
    this.answer.replaceChildren(h("section", { class: "wb-why" }, h("p", { class: "wb-quiet" }, hub.t("whyWait"))));
    let content;
    try {
      content = this.answered(await source.ask("why", ask));
    } catch (error) {
      content = [this.closer(), h("p", {}, error.message)];
    }
    if (number !== this.asked || source !== this.source) return;
    this.answer.replaceChildren(h("section", { class: "wb-why" }, content));
    this.element.scrollTop = 0;
  }

  closer() {
    return button("×", this.hub.t("whyClose"), () => this.answer.replaceChildren(), { class: "wb-button wb-close" });
  }

  answered({ question, sentences, steps, place, op, grad, help }) {
    const { t } = this.hub;
    const told = { op, grad, related: steps.map((step) => step.op).filter((one) => one !== null) };
    return [this.closer(), h("h4", {}, question), h("p", {}, withCode(sentences.join(" "))), this.where(place, told),
      help && h("p", { class: "wb-remedy" }, h("strong", {}, `${t("remedy")}: `), withCode(help)),
      steps.length > 0 && h("h5", {}, t("whyWay")), steps.length > 0 && h("ol", {}, steps.map((step) => this.station(step, steps)))];
  }

  /** One station of the way: a click goes there, and all of the way is lit. */
  station(step, steps) {
    const go = async () => {
      await this.goTo(step.grad !== null && this.hub.panes.has("backward") ? { grad: step.grad } : step);
      for (const [pane, kind, key] of [["dynamic", "ops", "op"], ["backward", "grads", "grad"]]) {
        const known = [...new Set(steps.map((one) => one[key]))].filter((one) => one !== null);
        this.lightUp(pane, kind, known, this.hub.t("whyLit", { n: known.length }));
      }
    };
    return h("li", {}, h("button", { type: "button", class: "wb-link wb-station", onclick: go, disabled: step.op === null && step.grad === null }, step.text),
      step.place && h("span", { class: "wb-quiet" }, ` ${step.place.file}:${step.place.line}`));
  }

  reveal() {}
  resized() {}
  destroy() {}
}

extend(Trace, {
  /** Light up some nodes and what flows between them. */
  way(ids, told) {
    this.clear({ tell: false });
    const known = ids.filter((id) => this.pane.elementOf(id));
    if (!known.length) return;
    [this.direction, this.from] = ["way", this.pane.marks.selected];
    this.nodes = new Set(known);
    const among = new Set(known.map(originalOf));
    const ends = ({ dataset }) => among.has(originalOf(dataset.source)) && among.has(originalOf(dataset.target));
    this.edges = new Set(known.flatMap((id) => this.pane.edges.get(id) || []).filter(ends));
    this.pane.hub.live.textContent = told;
    this.say(told);
    this.pane.paint();
  },
});

/** Whether a question that begins with why can be answered. */
function canAskWhy(hub, ask) {
  return hub.can("why", ask) && hub.panes.has("findings");
}

/** Whether it can be asked where a size comes from: of any tensor, so a saved page cannot tell. */
function canAskSizes(hub) {
  return hub.can("sizes") && hub.panes.has("findings");
}

/** Buttons of what can be asked about a tensor; null where there is nothing. */
function whyButtons(hub, { id, whys = [] }) {
  const offered = whys.filter(({ ask }) => (id !== undefined || ask.grad !== undefined) && canAskWhy(hub, ask));
  if (!offered.length) return null;
  return h("p", { class: "wb-whys" }, offered.map(({ label, ask }) =>
    h("button", { type: "button", class: "wb-ask", onclick: () => hub.panes.get("findings").pane.why(ask) }, label)));
}

/** A tensor's sizes; a click on one asks where it comes from. */
function askableSizes(hub, tensor) {
  const el = dimensionsOf(tensor);
  const { id, dims = [] } = tensor;
  if (id === undefined || !canAskSizes(hub)) return el;
  const ask = (dim) => {
    const label = hub.t("whySize", { size: dims[dim][0], dim });
    return h("button", { type: "button", class: "wb-size", title: label, "aria-label": label,
      onclick: () => hub.panes.get("findings").pane.why({ why: "shape", tensor: id, dim }) }, String(dims[dim][0]));
  };
  const named = [...el.querySelectorAll(".wb-dim strong")];
  named.forEach((size, dim) => size.replaceChildren(ask(dim)));
  const parts = el.textContent.split(/(\d+)/);
  if (!named.length && parts.length === 2 * dims.length + 1) el.replaceChildren(...parts.map((part, at) => (at % 2 ? ask((at - 1) / 2) : part)));
  return el;
}
