/* -- Until: "run until …", a form over the timeline ------------------------------------------------- */

Object.assign(LABELS, {
  until: "Run until …", untilHint: "Run to the next moment that … (U)", untilTitle: "Run until",
  untilNext: "Next", untilNextHint: "Next hit (Enter, J)", untilPrevious: "Previous", untilPreviousHint: "Previous hit (Shift+Enter, Shift+J)",
  untilNone: "No later moment.", untilNoneBefore: "No earlier moment.", untilHit: "Moment {n} of {all}.",
  untilFields: "What can be asked", untilWorking: "Looking …", untilEmpty: "Type {what}, such as: {example}",
});

/* Hits are found by the server; on a page without one, by the sites, as far as they know. */
class Until {
  constructor(timeline) {
    this.timeline = timeline;
    this.hub = timeline.hub;
    const { t } = this.hub;
    this.what = h("select", { class: "wb-picker", "aria-label": t("untilTitle"), onchange: () => this.chosen() });
    this.value = h("input", { class: "wb-search wb-until-value", type: "text", maxlength: "400", autocomplete: "off", spellcheck: "false" });
    this.message = h("p", { class: "wb-until-message", role: "status" });
    this.fields = h("dl", { class: "wb-until-fields" });
    this.help = h("details", { class: "wb-until-help", hidden: true }, h("summary", {}, t("untilFields")), this.fields);
    this.element = h("form", { class: "wb-until", role: "dialog", "aria-label": t("untilTitle"), hidden: true,
      onsubmit: (event) => { event.preventDefault(); this.run(1); }, onkeydown: (event) => this.key(event) },
      h("div", { class: "wb-until-row" },
        h("span", { class: "wb-until-name", "aria-hidden": "true" }, t("untilTitle")), this.what, this.value,
        h("button", { type: "button", class: "wb-button wb-word", title: t("untilPreviousHint"), onclick: () => this.run(-1) }, `◁ ${t("untilPrevious")}`),
        h("button", { type: "submit", class: "wb-button wb-word wb-go", title: t("untilNextHint") }, `${t("untilNext")} ▷`),
        button("×", t("close"), () => this.close(), { class: "wb-button wb-close" })),
      this.message, this.help);
    this.asked = 0;
  }

  /** New data: offer the conditions that can be answered here. */
  fill({ conditions = [], fields = [], functions = [] }) {
    const known = this.hub.can("until") ? conditions : conditions.filter(({ what }) => what in LOCAL_TESTS);
    this.conditions = new Map(known.map((one) => [one.what, one]));
    const before = this.what.value;
    this.what.replaceChildren(...known.map(({ what, title }) => h("option", { value: what }, title)));
    if (this.conditions.has(before)) this.what.value = before;
    this.fields.replaceChildren(...fields.flatMap(([name, about]) => [h("dt", {}, name), h("dd", {}, about)]),
      ...functions.flatMap(([use, about]) => [h("dt", {}, use), h("dd", {}, about)]));
    this.chosen({ focus: false });
  }

  get condition() {
    return this.conditions.get(this.what.value);
  }

  chosen({ focus = true } = {}) {
    const { asks = "", example = "", what = "" } = this.condition || {};
    this.value.hidden = !asks;
    this.value.placeholder = example;
    this.value.setAttribute("aria-label", asks || this.hub.t("untilTitle"));
    this.value.title = asks;
    this.help.hidden = what !== "expression";
    this.say("");
    if (focus && asks) this.value.focus();
  }

  get isOpen() {
    return !this.element.hidden;
  }

  open() {
    this.element.hidden = false;
    (this.value.hidden ? this.what : this.value).focus({ preventScroll: true });
  }

  close() {
    this.element.hidden = true;
    this.timeline.track.focus({ preventScroll: true });
  }

  key(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.shiftKey && event.target.localName !== "button") this.run(-1);
    else return;
    event.preventDefault();
  }

  say(text, failed = false) {
    this.message.textContent = text;
    this.message.classList.toggle("wb-failed", failed);
  }

  /** Go to the next hit, or with -1 to the one before. */
  async run(by) {
    const { t } = this.hub;
    const { what, asks, example } = this.condition;
    const value = this.value.hidden ? "" : this.value.value;
    if (asks && !value.trim() && what !== "decision") return this.say(t("untilEmpty", { what: asks, example }), true);
    const number = (this.asked += 1);
    try {
      this.say(t("untilWorking"));
      const { at, message } = await this.answer(by, what, value);
      if (number !== this.asked) return undefined; // another question was asked since
      if (at === null) return this.say(message, true);
      this.say(t("untilHit", { n: at + 1, all: this.timeline.moments.count }));
      return this.timeline.goTo(at);
    } catch (error) {
      return number === this.asked && this.say(error.message, true);
    }
  }

  answer(by, what, value) {
    const from = this.timeline.at ?? (by > 0 ? -1 : this.timeline.moments.count);
    if (this.hub.can("until")) return this.hub.ask("until", { from, by, what, value });
    const at = this.timeline.moments.search(from, by, this.timeline.moments.test(what, value));
    return { at, message: this.hub.t(by > 0 ? "untilNone" : "untilNoneBefore") };
  }
}
