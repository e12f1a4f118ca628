/* -- the card of the selected item, tooltip, help ------------------------------------------------ */

Object.assign(LABELS, {
  history: "History", comesFrom: "Comes from", goesTo: "Goes to", sameMemory: "Same memory",
  sameMemoryWritten: "Same memory, written in place", moreOps: "… {n} more ops", moreAtLeast: "… at least {n} more ops",
  moreValues: "… {n} more values", fromOutside: "came from outside", notUsed: "no recorded op takes it",
  cardLeft: "What is further left", cardRight: "What is further right", cardMore: "{n} more", cardBelow: "What is further down", below: "below",
  "stat.min": "min", "stat.max": "max", "stat.mean": "mean", "stat.std": "std", "stat.zeros": "zeros", "role.output": "output",
});

const BAR_AREA = { width: 132, height: 30 };

/** Bars of a histogram: counts per equal bin, drawn from `range[0]` to `range[1]`. */
function histogram(tensor, t) {
  const counts = tensor.histogram || [];
  const top = Math.max(...counts, 0);
  if (!top) return null;
  const { width, height } = BAR_AREA;
  const step = width / counts.length;
  const bars = counts.map((count, index) => {
    const tall = count ? Math.max((count / top) * height, 1.5) : 0; // one value in a bin can be seen, too
    return s("rect", { x: index * step, y: height - tall, width: Math.max(step - 1, 0.5), height: tall });
  });
  const [low, high] = tensor.range || ["", ""];
  if (tensor.range && low === high) return null; // one bar says nothing that the numbers do not
  const label = t("histogram", { name: tensor.name || tensor.role || "", low, high });
  return h("figure", { class: "wb-histogram" },
    s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, preserveAspectRatio: "none" }, ...bars),
    h("figcaption", {}, h("span", {}, low), h("span", {}, high)));
}

/** Whether a statistic reports values that are no numbers. */
function isBadStat([name, value]) {
  return /^(nan|inf)/i.test(name) && !/^0(\D|$)/.test(String(value).trim()) && value !== "";
}

function statsTable(stats, t) {
  return h("dl", { class: "wb-stats" }, stats.map((stat) =>
    h("div", { class: isBadStat(stat) ? "wb-bad" : null }, h("dt", {}, t(`stat.${stat[0]}`)), h("dd", {}, stat[1]))));
}

/** "memory 1.2 kB · strides (1, 8)". */
function factsLine(facts = []) {
  const parts = facts.map(([name, value]) => h("span", {}, h("span", { class: "wb-quiet" }, `${name} `), value));
  return parts.length > 0 && h("p", { class: "wb-facts" }, parts);
}

/* The column of one tensor: what it is, its values as a picture, statistics and histogram. */
class TensorColumn {
  constructor(hub, tensor, onEnlarge) {
    this.hub = hub;
    this.tensor = tensor;
    const drawable = tensor.id !== undefined && (hub.can("values") || tensor.values) && ((tensor.stats || []).length > 0 || tensor.single !== undefined);
    this.figure = drawable ? new ValuesFigure(hub, tensor, { onEnlarge }) : null;
    this.element = this.build();
  }

  build() {
    const { tensor, figure } = this;
    const { t } = this.hub;
    const stats = tensor.stats || [];
    const bad = tensor.warn || stats.some(isBadStat);
    const type = [tensor.dtype, tensor.device].filter(Boolean).join(" · ");
    const numbers = stats.length > 0 && h("div", { class: "wb-numbers" }, statsTable(stats, t), histogram(tensor, t));
    const single = !figure && tensor.single !== undefined;
    const sample = !figure && !single && tensor.sample;
    const known = stats.length > 0 || tensor.single !== undefined;
    return h("section", { class: `wb-column wb-tensor${bad ? " wb-warn" : ""}`, "aria-label": `${tensor.role} ${tensor.name || ""}` },
      h("h4", {}, h("span", { class: "wb-role" }, tensor.role), " ", h("code", {}, tensor.name || ""),
        bad && h("span", { class: "wb-flag" }, `⚠ ${t("nonfinite")}`)),
      h("p", { class: "wb-shape" }, askableSizes(this.hub, tensor), " ", h("span", {}, type)), whyButtons(this.hub, tensor),
      known ? h("div", { class: "wb-values" }, figure?.element, single && h("strong", { class: "wb-single" }, tensor.single), numbers) : h("p", { class: "wb-quiet" }, t("noValues")),
      sample && h("p", { class: "wb-sample", title: sample }, h("span", { class: "wb-quiet" }, `${t("sample")} `), h("code", {}, sample)),
      factsLine(tensor.facts));
  }
}

/* Where a tensor comes from, what becomes of it, and who shares its memory: links to ops. */
class HistoryColumn {
  constructor(hub, tensor) {
    this.hub = hub;
    this.tensor = tensor;
    this.body = h("div", { class: "wb-history" }, this.family(tensor.family));
    const name = h("code", {}, tensor.name || "");
    this.element = h("section", { class: "wb-column wb-history-column", "aria-label": hub.t("history") },
      h("h4", {}, h("span", {}, hub.t("history")), " ", name), this.body);
  }

  /** Fetch the ops above and below. */
  async load() {
    if (!this.hub.can("history", { tensor: this.tensor.id })) return;
    try {
      const found = await answerOf(this.hub, "history", { tensor: this.tensor.id });
      this.body.replaceChildren(this.links("comesFrom", "↑", found.producers), this.links("goesTo", "↓", found.consumers),
        this.family(found.family) || "");
    } catch {
      // The workbench itself says when its server is gone; the card still has what came with it.
    }
  }

  links(title, arrow, { rows, more, atLeast }) {
    const { t } = this.hub;
    const items = rows.map((row) => h("li", { title: row.module },
      h("span", { class: "wb-quiet" }, `${arrow}${row.distance} `), this.opLink(row.op, `${row.name} [${row.op}]`),
      h("span", { class: "wb-quiet" }, ` ${row.shape}`)));
    if (more > 0) items.push(h("li", { class: "wb-quiet" }, t(atLeast ? "moreAtLeast" : "moreOps", { n: more.toLocaleString("en") })));
    if (!items.length) items.push(h("li", { class: "wb-quiet" }, t(arrow === "↑" ? "fromOutside" : "notUsed")));
    return h("section", {}, h("h5", {}, t(title)), h("ul", {}, items));
  }

  family(found) {
    if (!found) return null;
    const { t } = this.hub;
    const items = found.rows.map((row) => h("li", { class: row.own ? "wb-own" : null },
      h("code", {}, `%${row.tensor}${row.name ? ` ${row.name}` : ""} `), h("span", { class: "wb-quiet" }, `${row.shape} · `),
      row.op === null ? row.text : this.opLink(row.op, row.text)));
    if (found.more > 0) items.push(h("li", { class: "wb-quiet" }, t("moreValues", { n: found.more.toLocaleString("en") })));
    return h("section", {}, h("h5", {}, t(found.writes ? "sameMemoryWritten" : "sameMemory")), h("ul", {}, items));
  }

  opLink(op, text) {
    return h("button", { type: "button", class: "wb-link", onclick: () => this.hub.selectOp(op) }, text);
  }
}

/* The card stands in a row of its own, as high when empty as when full, so that nothing moves. */
class Card {
  constructor(hub) {
    this.hub = hub;
    this.columns = [];
    this.element = h("section", { class: "wb-card", "aria-label": hub.t("details") });
    this.sheet = new ValuesSheet(hub);
    this.loads = debounce(() => this.load(), ASK_VALUES_AFTER);
    this.clear();
    new MutationObserver(() => this.figures().forEach((figure) => figure.redraw()))
      .observe(hub.element, { attributes: true, attributeFilter: ["data-theme"] });
  }

  clear() {
    const { t } = this.hub;
    this.columns = [];
    this.loads.cancel();
    this.element.replaceChildren(h("div", { class: "wb-card-empty" }, h("p", {}, t("cardEmpty")), h("p", { class: "wb-quiet" }, t("cardHint"))));
  }

  /** Show a card; `related` lists items to jump to: [{pane, id, name, title}]. What has to be asked for comes later. */
  show(card, related = []) {
    const { t } = this.hub;
    const tensors = card.tensors || [];
    this.columns = tensors.map((tensor) => new TensorColumn(this.hub, tensor, () => this.enlarge(tensor)));
    const first = tensors.find((tensor) => tensor.id !== undefined);
    this.history = first && (this.hub.can("history", { tensor: first.id }) || first.family) ? new HistoryColumn(this.hub, first) : null;
    this.body = h("div", { class: "wb-card-body", tabindex: "0", role: "group", "aria-label": card.title || t("details") },
      this.identity(card), related.length > 0 && this.relatedColumn(related),
      this.columns.map((column) => column.element), this.history?.element);
    const head = h("header", { class: "wb-card-head" },
      card.kind && h("span", { class: "wb-chip" }, card.kind), h("h3", {}, card.title || ""),
      h("code", { class: "wb-subtitle" }, card.subtitle && card.subtitle !== card.title ? card.subtitle : ""),
      card.source && this.where(card.source),
      ...this.edges(),
      button("×", t("clear"), () => this.hub.clear(), { class: "wb-button wb-close" }));
    this.element.replaceChildren(head, this.body);
    this.loads();
  }

  /** Buttons that say that there is more on either side, and bring it into view. */
  edges() {
    const { t } = this.hub;
    const by = (way) => () => this.body.scrollBy({ left: way * this.body.clientWidth * 0.7, behavior: reducedMotion() ? "instant" : "smooth" });
    const left = button("‹", t("cardLeft"), by(-1), { class: "wb-button wb-edge" });
    const right = button("", t("cardRight"), by(1), { class: "wb-button wb-edge" });
    const down = () => this.body.scrollBy({ top: this.body.clientHeight * 0.7, behavior: reducedMotion() ? "instant" : "smooth" });
    const below = button(`${t("below")} ⌄`, t("cardBelow"), down, { class: "wb-button wb-edge" });
    const paint = () => {
      const { scrollLeft, clientWidth, scrollWidth, scrollTop, clientHeight, scrollHeight } = this.body;
      below.hidden = scrollTop + clientHeight > scrollHeight - 6;
      left.hidden = scrollLeft < 4;
      right.hidden = scrollLeft + clientWidth > scrollWidth - 4;
      const end = this.body.getBoundingClientRect().right;
      const beyond = [...this.body.children].filter((column) => column.getBoundingClientRect().right > end + 4).length;
      right.textContent = beyond ? `${t("cardMore", { n: beyond })} ›` : "›";
    };
    this.body.addEventListener("scroll", paint, { passive: true });
    const sizes = new ResizeObserver(paint);
    for (const part of [this.body, ...this.body.children]) sizes.observe(part); // a column grows when its content comes
    return [left, below, right];
  }

  /** Fetch the values and the history of what is shown. */
  load() {
    for (const { figure } of this.columns) figure?.load();
    this.history?.load();
  }

  figures() {
    return [...this.columns.map(({ figure }) => figure).filter(Boolean), ...this.sheet.figures];
  }

  /** A tensor's value and its gradient, large. */
  enlarge(tensor) {
    const both = this.columns.map((column) => column.tensor).filter((one) => one.id === tensor.id);
    const shown = ["value", "grad"].map((what) => both.find((one) => one.what === what)).filter(Boolean);
    this.sheet.show(shown);
  }

  identity({ rows = [], note }) {
    if (!rows.length && !note) return null;
    return h("section", { class: "wb-column wb-identity" },
      h("dl", { class: "wb-rows" }, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      note && h("p", { class: "wb-card-note" }, note));
  }

  relatedColumn(related) {
    const jump = ({ pane, id }) => () => this.hub.select(pane, id, {});
    return h("section", { class: "wb-column wb-related" }, h("h4", {}, this.hub.t("onThisLine")),
      h("ul", {}, related.map((one) => h("li", {},
        h("button", { type: "button", class: "wb-link", onclick: jump(one) }, one.name), h("span", { class: "wb-quiet" }, ` ${one.title}`)))));
  }

  /** The place of the source line and its text: in the head, where many tensors cannot push it out. */
  where(source) {
    const text = source.text?.trim();
    return h("span", { class: "wb-where" },
      h("button", { type: "button", class: "wb-link", title: `${source.path}:${source.line}`, onclick: () => this.hub.openSource(source) },
        `${source.file}:${source.line}`),
      text && h("code", { class: "wb-where-text", title: text }, colouredText(text, PYTHON_TOKENS)));
  }
}

const TIP_STATS = new Set(["min", "mean", "max"]);

/** What is under the pointer, in short. */
class Tip {
  constructor(root) {
    this.root = root;
    this.element = h("div", { class: "wb-tip", hidden: true, "aria-hidden": "true" });
  }

  /** Show what hovering tells: the name, and of `card` the first tensor in short and the source line. */
  show(name, card, event, t) {
    const area = this.root.getBoundingClientRect();
    const tensor = card?.tensors?.find((one) => one.role === t("role.output")) || card?.tensors?.[0];
    const stats = (tensor?.stats || []).filter((stat) => TIP_STATS.has(stat[0]) || isBadStat(stat));
    const place = card?.source;
    this.element.replaceChildren(
      h("div", {}, h("strong", {}, name), tensor && h("code", {}, [tensor.shape, tensor.dtype].filter(Boolean).join("  "))),
      stats.length ? statsTable(stats, t) : tensor?.single !== undefined ? h("code", {}, tensor.single) : "", (tensor?.range && tensor.range[0] !== tensor.range[1] && histogram(tensor, t)) || "",
      place ? h("code", { class: "wb-tip-line" }, `${place.file}:${place.line}  ${place.text?.trim() ?? ""}`) : "");
    this.element.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const x = clamp(event.clientX - area.left + 14, 4, Math.max(area.width - width - 4, 4));
    const below = event.clientY - area.top + 18;
    const y = below + height > area.height ? event.clientY - area.top - height - 10 : below;
    this.element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  hide() {
    this.element.hidden = true;
  }
}

/** The list of keys, over everything; gives the focus back when it closes. */
class Help {
  constructor(hub) {
    this.hub = hub;
    this.element = h("div", { class: "wb-help", hidden: true, onclick: (event) => event.target === this.element && this.close() });
  }

  get open() {
    return !this.element.hidden;
  }

  show() {
    const { t } = this.hub;
    const rows = HELP_ROWS.map((key) => t(key).split(" | "));
    this.before = this.element.getRootNode().activeElement;
    const close = button("×", t("close"), () => this.close(), { class: "wb-button wb-close" });
    this.element.replaceChildren(h("div", { class: "wb-sheet", role: "dialog", "aria-modal": "true", "aria-label": t("helpTitle") },
      h("header", {}, h("h3", {}, t("helpTitle")), close),
      h("dl", {}, rows.flatMap(([keys, what]) => [h("dt", {}, keys), h("dd", {}, what)]))));
    this.element.hidden = false;
    this.element.onkeydown = (event) => {
      if (event.key === "Tab") event.preventDefault(); // the button is all there is to focus
    };
    close.focus();
  }

  close() {
    this.element.hidden = true;
    this.before?.focus?.({ preventScroll: true });
  }
}
