/* -- colours by a measure: time, memory, gradient norm, zeros, NaN and Inf, visits ------------------ */

const HEAT_STEPS = "abcdefgh"; // as many colours as theme.py has roles "heat-…"
const HEAT_MEASURES = ["time", "memory", "gradient", "zeros", "nonfinite", "visits"];
const HEAT_CHIP = { height: 13, bar: 20, gap: 4, letter: 5.7 };

Object.assign(LABELS, {
  heatLabel: "Colour by", heatOption: "Colour: {name}", heatKind: "kind", heatHint: "Colour the nodes by what they are, or by a measure (H)",
  heatLog: "logarithmic", heatNone: "0 everywhere", heatSame: "{value} everywhere",
  heatTold: "Coloured by {name}", heatNothing: "No number is known for the nodes drawn here.",
  "heat.time": "time", "heat.memory": "memory", "heat.gradient": "gradient norm", "heat.zeros": "zeros",
  "heat.nonfinite": "NaN and Inf", "heat.visits": "visits",
  "help.heat": "H, Shift+H | colour by the next or previous measure: time, memory, gradient norm, …",
});
HELP_ROWS.splice(-2, 0, "help.heat");

/* A measure is {id, label, scale, low, high, values: {node: [place 0 to 1 or null, text]}}. A page that
 * stands alone has them in `data.heat[pane]`; a server is asked for the one that is chosen. A node gets
 * the class of its colour, and a small bar with the number: it is not told by colour alone. */
class Heat {
  constructor(pane) {
    this.pane = pane;
    this.measure = null;
    this.places = new Map(); // id -> class of its colour
    this.chips = [];
    this.asked = 0;
    const t = pane.hub.t;
    this.select = h("select", { class: "wb-picker wb-heat-by", title: t("heatHint"), "aria-label": t("heatLabel"), hidden: true,
      onchange: () => this.choose(this.select.value) });
    this.scale = h("div", { class: "wb-heat-scale graph", hidden: true });
  }

  get inline() {
    return this.pane.hub.data.heat?.[this.pane.id];
  }

  get chosen() {
    return this.pane.hub.memory.heat?.[this.pane.id] ?? "";
  }

  /** What can be chosen: [id, label]; "" are the kinds. */
  get choices() {
    const { hub } = this.pane;
    const { t } = hub;
    const measures = this.inline?.map((one) => [one.id, one.label]) ?? (hub.can("heat") ? HEAT_MEASURES.map((id) => [id, t(`heat.${id}`)]) : []);
    return [["", t("heatKind")], ...measures];
  }

  /** New content: offer what there is, and colour what is drawn now. */
  refresh() {
    const { choices } = this;
    const { t } = this.pane.hub;
    const offered = JSON.stringify(choices);
    if (offered !== this.offered) this.select.replaceChildren(...choices.map(([value, name]) => h("option", { value }, t("heatOption", { name }))));
    this.offered = offered;
    this.select.hidden = choices.length < 2 || !this.pane.svg;
    const same = this.drawn === this.pane.svg && this.from === this.inline;
    [this.drawn, this.from] = [this.pane.svg, this.inline];
    if (!same) this.load();
  }

  choose(id) {
    const { hub } = this.pane;
    hub.memory.heat = { ...hub.memory.heat, [this.pane.id]: id };
    hub.live.textContent = hub.t("heatTold", { name: this.choices.find(([one]) => one === id)?.[1] ?? "" });
    this.load();
  }

  /** The next (1) or previous (-1) measure; the kinds are one of them. */
  step(by) {
    const ids = this.choices.map(([id]) => id);
    const at = Math.max(0, ids.indexOf(this.chosen));
    if (ids.length > 1) this.choose(ids[(at + by + ids.length) % ids.length]);
  }

  /** Get the numbers of what is chosen; an answer that comes after another choice is dropped. */
  async load() {
    const { pane, chosen } = this;
    const number = (this.asked += 1);
    if (!pane.svg || !chosen || this.inline || !pane.hub.can("heat")) {
      this.apply(this.inline?.find((one) => one.id === chosen) ?? null);
      return;
    }
    try {
      const toggled = [...pane.hub.memory.toggled];
      const { measure } = await pane.hub.ask("heat", { pane: pane.id, measure: chosen, toggled });
      if (number === this.asked) this.apply(measure, pane.hub.t("heatNothing"));
    } catch (error) {
      if (number === this.asked && error.name !== "AbortError") this.apply(null, error.message);
    }
  }

  classOf(id) {
    return this.places.get(id);
  }

  /** Colour the nodes by a measure, or by their kind again; `why` says why there is none. */
  apply(measure, why = "") {
    const { svg, nodes } = this.pane;
    this.clear();
    this.measure = measure;
    this.select.value = this.chosen;
    this.select.classList.toggle("wb-on", this.chosen !== "");
    if (svg) {
      if (measure) this.pane.nodeRects(); // measured before anything changes
      for (const [id, el] of measure ? nodes : []) {
        const [place, text] = measure.values[id] ?? [null, null];
        this.paint(id, el, place, text);
      }
    }
    this.drawScale(why);
    this.pane.paint(); // colours that tell something are not dimmed beside a selection
    this.pane.minimap.redraw();
  }

  clear() {
    for (const id of this.places.keys()) this.pane.nodes.get(id)?.classList.remove(this.places.get(id));
    this.places = new Map();
    for (const chip of this.chips) chip.remove();
    this.chips = [];
  }

  paint(id, el, place, text) {
    const step = place === null ? "none" : HEAT_STEPS[Math.min(HEAT_STEPS.length - 1, Math.floor(place * HEAT_STEPS.length))];
    el.classList.add(`heat-${step}`);
    this.places.set(id, `heat-${step}`);
    if (text === null) return;
    const chip = this.chip(el, this.pane.rect(id), place, text);
    this.chips.push(chip);
    el.append(chip);
  }

  /** A bar and the number on the lower edge of a node. */
  chip(el, { w, h: tall }, place, text) {
    const { height, bar, gap, letter } = HEAT_CHIP;
    const width = bar + 3 * gap + text.length * letter;
    const low = el.classList.contains("decision") ? tall * 0.84 : tall;
    const group = s("g", { class: "wb-chip-heat", transform: `translate(${((w - width) / 2).toFixed(1)},${(low - height / 2).toFixed(1)})` },
      s("rect", { class: "plate", width: width.toFixed(1), height, rx: 3 }),
      s("rect", { class: "track", x: gap, y: 4, width: bar, height: 5 }),
      s("rect", { class: "level", x: gap, y: 4, width: (bar * (place ?? 0)).toFixed(1), height: 5 }));
    const number = s("text", { x: bar + 2 * gap, y: 9.8 });
    number.textContent = text;
    group.append(number);
    return group;
  }

  /** What the colours mean: the two ends with their units, and how the scale runs between them. */
  drawScale(why) {
    const { measure } = this;
    const { t } = this.pane.hub;
    const name = this.choices.find(([id]) => id === this.chosen)?.[1] ?? "";
    this.scale.hidden = !this.pane.svg || !(measure || (this.chosen && why));
    if (this.scale.hidden) return;
    const places = Object.values(measure?.values || {}).map(([place]) => place);
    const same = measure && measure.low === measure.high && places.every((place) => place !== null);
    const note = !measure ? why : places.every((place) => place === null) ? t("heatNone") : same ? t("heatSame", { value: measure.low }) : "";
    const kind = measure?.scale === "log" ? t("heatLog") : "";
    const steps = [...HEAT_STEPS].map((step) => h("i", { class: `wb-heat-step heat-${step}` }));
    this.scale.replaceChildren(h("strong", {}, name), ...(note ? [h("span", {}, note)] : [h("span", {}, measure.low),
      h("span", { class: "wb-heat-steps" }, steps), h("span", {}, measure.high), h("em", {}, kind)]));
    this.scale.setAttribute("role", "img");
    this.scale.setAttribute("aria-label", [name, note || `${measure.low} – ${measure.high}`, note ? "" : kind].filter(Boolean).join(", "));
  }
}
