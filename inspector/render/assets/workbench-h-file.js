/* -- FileSource: a saved page's own answers, from what was packed into it --------------------------- */

/* A saved page has no server. Python has put answers into it as pieces of gzipped JSON (`archive.py`), and
 * an `Archive` unpacks each when it is first asked for. What is not among them is not offered. */

Object.assign(LABELS, {
  fileNotHere: "This saved page does not hold the answer. Open the recording itself in the inspector.",
  fileNoBox: "This saved page cannot draw that: it holds each box opened by itself. Open the recording itself in the inspector.",
  fileLeftOut: "There was no room for what is in this box in the saved page. Open the recording itself in the inspector.",
  fileNoPane: "This saved page shows this box in the other graphs only.",
  fileWhole: "Whole picture", fileTrail: "The box that is shown",
  fileNoTrips: "A saved page cannot look for trips by their number.",
});

/** What was packed into a page: name -> gzipped JSON in base64. */
class Archive {
  constructor(pieces) {
    this.pieces = pieces;
    this.found = new Map();
  }

  has(name) {
    return this.pieces.has(name);
  }

  /** A piece, unpacked once. */
  get(name) {
    if (!this.found.has(name)) this.found.set(name, this.unpack(name));
    return this.found.get(name);
  }

  async unpack(name) {
    if (!this.has(name)) throw new Error(`no piece ${name}`);
    const bytes = Uint8Array.from(atob(this.pieces.get(name)), (letter) => letter.charCodeAt(0));
    this.pieces.set(name, "");
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }

  /** Unpack what is needed at once: what there is, and what it can answer. */
  async open() {
    this.contents = await this.get("contents");
    this.whys = new Set(this.contents.whys.map(whyKey));
    return this;
  }
}

/** A question that begins with why, as text. */
function whyKey({ why, tensor = null, of = null, grad = null, dim = null }) {
  return JSON.stringify([why, tensor, of, grad, dim]);
}

/** Answers out of an archive, where another page has a server for them. */
class FileSource extends Source {
  constructor(archive, hub) {
    super("", hub);
    this.archive = archive;
    this.drawings = {}; // of the picture that is shown, by pane
    this.trail = []; // the box that is shown by itself, after those around it
    this.openNow = new Set(); // boxes that are open in what is shown
  }

  can(question, asked) {
    if (question === "why") return Boolean(asked) && this.archive.whys.has(whyKey(asked));
    if (question === "history" && asked && this.histories) return String(asked.tensor) in this.histories;
    return this.archive.contents.answers.includes(question);
  }

  async ask(question, asked = {}, { signal } = {}) {
    if (!(question in FILE_ANSWERS) || !this.can(question, asked)) throw new Error(this.hub.t("fileNotHere"));
    const found = await FILE_ANSWERS[question].call(this, asked);
    signal?.throwIfAborted();
    return found;
  }

  cancel(name) {
    this.controllers.get(name)?.abort();
  }

  get closeups() {
    this.byBox ??= new Map(this.archive.contents.closeups.map((one) => [one.box, one]));
    return this.byBox;
  }

  /* A toggled box is shown by itself; of several, the one that was toggled last. Closing it leads back to
   * the box around it, if that is one that can be shown. What else there is to open or close would be a
   * picture that the page does not hold. */
  chosen(toggled) {
    const added = toggled.filter((box) => !this.trail.includes(box));
    const wanted = added.findLast((box) => this.closeups.has(box));
    if (added.length && wanted === undefined) {
      const isOpen = added.some((box) => this.openNow.has(box));
      return { trail: this.trail, said: isOpen ? "fileNoBox" : "fileLeftOut" };
    }
    return { trail: this.trailTo(wanted ?? this.trail.findLast((box) => toggled.includes(box))), said: "" };
  }

  /** The boxes around a box that can be shown by themselves, and itself; none for no box. */
  trailTo(box) {
    if (box === undefined) return [];
    return [...this.closeups.get(box).around.filter((outer) => this.closeups.has(outer)), box];
  }

  /** Show a picture that holds an item: what is drawn, else the innermost box around it. */
  async uncover(ref, boxes) {
    if (this.hub.resolve(ref)) return;
    const box = boxes.toReversed().find((one) => this.closeups.has(one));
    await this.showOnly(box === undefined ? [] : [box]);
  }

  async showOnly(boxes) {
    if (boxes.at(-1) === this.trail.at(-1)) return;
    this.hub.memory.toggled = new Set(boxes);
    await this.hub.askPicture();
    this.hub.tell();
  }

  /** Go back to what is around the box that is shown. */
  leave() {
    this.showOnly(this.trail.slice(0, -1));
  }

  async drawingsOf(box) {
    const first = await this.archive.get("first");
    if (box === undefined) return first;
    const packed = await this.archive.get("closeups");
    const nowhere = { items: {}, heat: [], pane: { svg: null, note: "", empty: this.hub.t("fileNoPane") } };
    const found = {};
    for (const pane of Object.keys(first)) {
      const at = packed.places[box][pane];
      found[pane] = at !== undefined ? drawingAt(packed, at) : ofPane(box, pane) ? nowhere : first[pane];
    }
    return found;
  }

  async cardsByName() {
    const found = await this.archive.get("cards");
    const [cards, values] = [rowsOf(found.cards), rowsOf(found.values)];
    for (const card of cards) card.tensors = card.tensors.map((tensor) => ({ ...tensor, ...values[tensor.measured] }));
    return Object.fromEntries(Object.entries(found.names).map(([name, number]) => [name, cards[number]]));
  }

  async searched() {
    const found = await this.archive.get("find");
    if (!Array.isArray(found.results)) found.results = rowsOf(found.results);
    return found;
  }

  /** A box by itself begins at its top; the whole picture is again where it was. */
  turnViews(trail) {
    for (const { pane } of this.hub.panes.values()) {
      if (!(pane instanceof GraphPane)) continue;
      const [before, after] = [this.trail, trail].map((boxes) => boxes.findLast((box) => ofPane(box, pane.id)));
      if (before === after) continue;
      if (before === undefined) pane.wholeView = { ...pane.view };
      pane.anchor = null;
      Object.assign(pane.view, after === undefined ? pane.wholeView : { mode: "start" });
    }
  }

  /** Take away what would open or close nothing, and say over each graph which box is shown. */
  adorn() {
    for (const { pane } of this.hub.panes.values()) {
      if (!(pane instanceof GraphPane)) continue;
      for (const toggle of pane.svg?.querySelectorAll(".box-toggle") ?? []) {
        const box = toggle.closest("[data-id]").dataset.id.split("@")[0];
        toggle.toggleAttribute("hidden", !this.closeups.has(box) && this.openNow.has(box));
      }
      const before = pane.element.querySelector(".wb-trail");
      if (before?.matches(":focus-within")) pane.viewport.focus({ preventScroll: true });
      before?.remove();
      if (this.trail.length && ofPane(this.trail[0], pane.id)) pane.note.parentElement.before(this.crumbs());
    }
  }

  crumbs() {
    const part = (text, boxes) => h("button", { type: "button", class: "wb-button wb-word", onclick: () => this.showOnly(boxes) }, text);
    const around = this.trail.map((box, at) => [this.closeups.get(box).title, this.trail.slice(0, at + 1)]);
    const [here] = around.pop();
    return h("nav", { class: "wb-trail", "aria-label": this.hub.t("fileTrail") }, part(this.hub.t("fileWhole"), []),
      around.flatMap(([title, boxes]) => [" › ", part(title, boxes)]), " › ", h("b", { "aria-current": "page" }, here));
  }
}

/** Whether a box is one of the IR, as the pane is, or both are not. */
function ofPane(box, pane) {
  return box.startsWith("ir:") === (pane === "static");
}

/** Columns as the rows that they were; a row has no null. */
function rowsOf(columns) {
  const rows = Array.from({ length: Object.values(columns)[0]?.length ?? 0 }, () => ({}));
  for (const [key, column] of Object.entries(columns)) column.forEach((value, at) => value !== null && (rows[at][key] = value));
  return rows;
}

/** A drawing put together again; its ops and autograd nodes were counted from its first one. */
function drawingAt({ parts, svg, first, items, heat, pane }, at) {
  const text = svg[at]?.map((number) => parts[number]).join("");
  const numbered = text?.replace(/\x01(op|grad):(\d+)/g, (all, kind, number) => `${kind}:${Number(number) + first[at][kind]}`);
  return { items: items[at], heat: heat[at], pane: { ...pane[at], svg: numbered ?? null } };
}

/** By name; how a saved page answers it. */
const FILE_ANSWERS = {
  async picture({ toggled = [] }) {
    const { contents } = this.archive;
    const { trail, said } = this.chosen(toggled);
    const state = trail.length ? this.closeups.get(trail.at(-1)) : contents;
    this.cards ??= await this.cardsByName();
    if (this.can("history")) this.histories ??= await this.archive.get("history"); // which cards have one
    const drawings = await this.drawingsOf(trail.at(-1));
    this.turnViews(trail);
    Object.assign(this, { drawings, trail, openNow: new Set(state.opened) });
    this.hub.onPicture = () => this.adorn();
    return {
      key: `file-${trail.at(-1) ?? ""}`,
      css: contents.css,
      labels: contents.labels,
      panes: contents.panes.map((pane) => ({ ...pane, ...drawings[pane.id]?.pane })),
      items: Object.fromEntries(Object.entries(drawings).map(([pane, { items }]) => [pane, items])),
      cards: this.cards,
      compare: state.compare ?? undefined,
      opened: state.opened,
      toggled: trail,
      said,
    };
  },

  card({ pane, id }) {
    const card = this.cards?.[`${pane}/${id}`];
    if (!card) throw new Error(this.hub.t("fileNotHere"));
    return { card };
  },

  async way({ ref }) {
    const { results } = await this.searched();
    return { boxes: results.find((one) => one.ref === ref)?.boxes ?? [] };
  },

  async find({ q, pane, limit, offset }) {
    this.finder ??= new FileFinder(await this.searched());
    return this.finder.find(q, pane, limit, offset, this.hub.t);
  },

  heat({ pane, measure }) {
    return { measure: this.drawings[pane]?.heat.find(({ id }) => id === measure) ?? null };
  },

  async relations({ pane, id }) {
    const found = pane === "static" ? {} : await this.archive.get("relations");
    return found[id.split("@")[0]] ?? { relations: [], more: 0, bytes: "" };
  },

  async why(ask) {
    const at = [...this.archive.whys].indexOf(whyKey(ask));
    return (await this.archive.get("whys"))[at];
  },

  history({ tensor }) {
    return this.histories[tensor];
  },

  async moment({ at }) {
    return (await this.archive.get("moments"))[at] ?? Promise.reject(new Error(this.hub.t("fileNotHere")));
  },

  timeline() {
    return this.archive.get("timeline");
  },

  findings() {
    return this.archive.get("findings");
  },
};
