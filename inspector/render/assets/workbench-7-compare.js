/* -- two runs in one picture: which of them is seen, and both counts beside the code --------------- */

Object.assign(LABELS, {
  compareShow: "Show", compareBoth: "Both", compareFlicker: "A ⇄ B", compareSides: "A | B",
  compareSidesHint: "A and B side by side: what both have stands at the same place in both",
  compareBothHint: "Show both runs (V changes what is shown)",
  compareSideHint: "Show {run} only: “{name}”; the rest fades and stays where it is", compareFlickerHint: "Show A and B in turn",
  compareStepHint: "Show A; each further click shows the other one (less motion was asked for)",
  compareTold: "Shown: {what}", compareTimes: "A ran it {a}×, B {b}×",
  "kind.only-a": "in A only", "kind.only-b": "in B only", "kind.changed": "not the same in A and B",
  "pair.executed": "ran in A and B", "pair.skipped": "ran in neither",
  "help.runs": "V, Shift+V | of two runs: show both, A, B, both side by side, or in turn",
});
FLAGS.push("only-a", "only-b", "changed");
HELP_ROWS.splice(-2, 0, "help.runs");

const RUNS_SHOWN = ["both", "a", "b", "sides", "flicker"];
const FLICKER_MS = 900;

/* Chooses which run is seen in a pane that draws two (`data.compare`). Nothing is drawn anew: what is
 * of the other run only fades, so that what both have stays where it is. */
class RunSwitch {
  constructor(pane) {
    this.pane = pane;
    this.element = h("div", { class: "wb-runs", role: "group", "aria-label": pane.hub.t("compareShow"), hidden: true });
  }

  get chosen() {
    return this.pane.hub.memory.runs;
  }

  get offered() {
    return Boolean(this.pane.hub.data.compare) && this.pane.name === "dynamic" && Boolean(this.pane.svg);
  }

  /** New content: offer the runs by their names. */
  refresh() {
    this.element.hidden = !this.offered;
    const names = this.pane.hub.data.compare?.names;
    if (this.offered && JSON.stringify(names) !== this.names) {
      this.names = JSON.stringify(names);
      this.element.replaceChildren(...this.buttons(names));
    }
    this.apply();
  }

  buttons([a, b]) {
    const { t } = this.pane.hub;
    const side = (run, name) => [[h("b", { class: `wb-run-${run.toLowerCase()}` }, run), h("span", {}, name)], t("compareSideHint", { run, name })];
    const faces = { both: [[t("compareBoth")], t("compareBothHint")], a: side("A", a), b: side("B", b),
      sides: [[t("compareSides")], t("compareSidesHint")], flicker: [[t("compareFlicker")], t(reducedMotion() ? "compareStepHint" : "compareFlickerHint")] };
    return RUNS_SHOWN.map((shown) => {
      const [text, label] = faces[shown];
      const made = button("", label, () => this.choose(shown), { class: "wb-button wb-word", "data-runs": shown, "aria-pressed": "false" });
      made.append(...text);
      return made;
    });
  }

  choose(shown) {
    const { hub } = this.pane;
    const before = hub.memory.runs;
    if (shown === "flicker" && before === shown && reducedMotion()) {
      this.see(this.seen === "a" ? "b" : "a");
      hub.live.textContent = hub.t("compareTold", { what: this.seen.toUpperCase() });
      return;
    }
    hub.memory.runs = shown;
    if (before === "sides" || shown === "sides") hub.changeSides(shown === "sides");
    this.apply();
    if (hub.source) hub.tell();
    hub.live.textContent = hub.t("compareTold", { what: this.element.querySelector(`[data-runs="${shown}"]`)?.textContent ?? shown });
  }

  step(by) {
    if (!this.offered) return;
    const at = RUNS_SHOWN.indexOf(this.chosen) + by + RUNS_SHOWN.length;
    this.choose(RUNS_SHOWN[at % RUNS_SHOWN.length]);
  }

  apply() {
    const { chosen } = this;
    for (const one of this.element.children) one.setAttribute("aria-pressed", String(one.dataset.runs === chosen));
    clearInterval(this.timer);
    const flickers = this.offered && chosen === "flicker";
    this.see(this.offered ? { flicker: "a", sides: "a" }[chosen] ?? chosen : "both");
    if (flickers && !reducedMotion()) this.timer = setInterval(() => this.see(this.seen === "a" ? "b" : "a"), FLICKER_MS);
  }

  see(run) {
    this.seen = run;
    seeRun(this.pane, run);
    for (const one of this.element.children) one.classList.toggle("wb-seen", one.dataset.runs === run && this.chosen === "flicker");
  }

  close() {
    clearInterval(this.timer);
  }
}

/** Show a drawing of both runs as one of them ("a", "b") or as both: what is of the other fades, and
 * what is in both says what it was in that one. */
function seeRun(pane, run) {
  for (const one of ["a", "b"]) pane.stage.classList.toggle(`wb-see-${one}`, run === one);
  for (const [el, text] of pane.reworded ?? []) el.textContent = text;
  pane.reworded = [];
  const { nodes = {}, edges = [] } = pane.hub.data.compare?.texts?.[run] ?? {};
  const say = (el, text) => {
    if (!el) return;
    pane.reworded.push([el, el.textContent]);
    el.textContent = text;
  };
  for (const [id, [title, subtitle]] of Object.entries(nodes)) {
    say(pane.nodes?.get(id)?.querySelector(":scope > .title"), title);
    say(pane.nodes?.get(id)?.querySelector(":scope > .subtitle"), subtitle);
  }
  for (const [source, target, kind, label] of edges) {
    const drawn = (pane.edges?.get(source) ?? []).filter((el) => el.dataset.target === target && el.classList.contains(kind));
    for (const el of drawn) say(el.querySelector(".edge-label"), label);
  }
}

/** How often each of two runs came by a line, "–" for never. */
function sideCounts(hub, sides) {
  const [a, b] = sides;
  const label = hub.t("compareTimes", { a, b });
  const count = (run, n) => h("span", { class: `wb-run-count wb-run-${run}` }, n ? String(n) : "–");
  return h("span", { class: `wb-run-counts${a === b ? " wb-even" : ""}`, title: label, role: "img", "aria-label": label }, count("a", a), count("b", b));
}

/** The class of a line that only one of two runs came by. */
function sideClass(sides) {
  if (!sides || Boolean(sides[0]) === Boolean(sides[1])) return "";
  return sides[0] ? "wb-only-a" : "wb-only-b";
}

/** The sign before a difference: of which run it is. */
function signMark(sign) {
  return h("span", { class: `wb-sign${/^[AB]$/.test(sign) ? ` wb-run-${sign.toLowerCase()}` : ""}` }, sign);
}
