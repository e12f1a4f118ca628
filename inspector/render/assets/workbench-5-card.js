/* -- the card of the selected item, tooltip, help ------------------------------------------------ */

const BAR_AREA = { width: 132, height: 40 };

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
  const label = t("histogram", { name: tensor.name || tensor.role || "", low, high });
  return h("figure", { class: "wb-histogram" },
    s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, preserveAspectRatio: "none" }, ...bars),
    h("figcaption", {}, h("span", {}, low), h("span", {}, high)));
}

/** Whether a statistic reports values that are no numbers. */
function isBadStat([name, value]) {
  return /^(nan|inf)/i.test(name) && !/^0(\D|$)/.test(String(value).trim()) && value !== "";
}

function statsTable(stats) {
  return h("dl", { class: "wb-stats" }, stats.map((stat) =>
    h("div", { class: isBadStat(stat) ? "wb-bad" : null }, h("dt", {}, stat[0]), h("dd", {}, stat[1]))));
}

function tensorColumn(tensor, t) {
  const stats = tensor.stats || [];
  const bad = tensor.warn || stats.some(isBadStat);
  const type = [tensor.dtype, tensor.device].filter(Boolean).join(" · ");
  return h("section", { class: `wb-column wb-tensor${bad ? " wb-warn" : ""}`, "aria-label": `${tensor.role} ${tensor.name || ""}` },
    h("h4", {}, h("span", { class: "wb-role" }, tensor.role), " ", h("code", {}, tensor.name || ""),
      bad && h("span", { class: "wb-flag" }, `⚠ ${t("nonfinite")}`)),
    h("p", { class: "wb-shape" }, h("strong", {}, tensor.shape || ""), " ", h("span", {}, type)),
    stats.length ? h("div", { class: "wb-values" }, statsTable(stats), histogram(tensor, t)) : h("p", { class: "wb-quiet" }, t("noValues")),
    tensor.sample && h("p", { class: "wb-sample", title: tensor.sample }, h("span", { class: "wb-quiet" }, `${t("sample")} `), h("code", {}, tensor.sample)));
}

/* The card stands in a row of its own, as high when empty as when full, so that nothing moves. */
class Card {
  constructor(hub) {
    this.hub = hub;
    this.element = h("section", { class: "wb-card", "aria-label": hub.t("details") });
    this.clear();
  }

  clear() {
    const { t } = this.hub;
    this.element.replaceChildren(h("div", { class: "wb-card-empty" }, h("p", {}, t("cardEmpty")), h("p", { class: "wb-quiet" }, t("cardHint"))));
  }

  /** Show a card; `related` lists items to jump to: [{pane, id, name, title}]. */
  show(card, related = []) {
    const { t } = this.hub;
    this.element.replaceChildren(
      h("header", { class: "wb-card-head" },
        card.kind && h("span", { class: "wb-chip" }, card.kind), h("h3", {}, card.title || ""),
        h("code", { class: "wb-subtitle" }, card.subtitle && card.subtitle !== card.title ? card.subtitle : ""),
        card.source && this.where(card.source),
        button("×", t("clear"), () => this.hub.clear(), { class: "wb-button wb-close" })),
      h("div", { class: "wb-card-body", tabindex: "0", role: "group", "aria-label": card.title || t("details") },
        this.identity(card), related.length > 0 && this.relatedColumn(related),
        (card.tensors || []).map((tensor) => tensorColumn(tensor, t))));
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

/** The name and the shape of what is under the pointer. */
class Tip {
  constructor(root) {
    this.root = root;
    this.element = h("div", { class: "wb-tip", hidden: true, "aria-hidden": "true" });
  }

  show(name, detail, event) {
    const area = this.root.getBoundingClientRect();
    this.element.replaceChildren(h("strong", {}, name), detail ? h("code", {}, detail) : "");
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
    const rows = this.hub.data.labels?.helpRows || HELP_ROWS;
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
