/* -- FileSource: a saved page's own answers, from what was packed into it --------------------------- */

/* A saved page has no server. Python has put answers into it as pieces of gzipped JSON (`archive.py`), and
 * an `Archive` unpacks each when it is first asked for. What is not among them is not offered. */

Object.assign(LABELS, {
  fileNotHere: "This saved page does not hold the answer. Open the recording itself in the inspector.",
  fileNoBox: "This saved page does not hold the picture with that box opened or closed. Open the recording itself in the inspector.",
  fileOneBox: "This saved page holds its boxes opened one at a time: the others are as they were at first.",
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
    this.whys = new Set(this.contents.whys.map(([ask]) => whyKey(ask)));
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
    this.shown = new Set(); // boxes that are toggled in it
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

  /* The picture in which as much as possible is toggled of what is asked for, above all the box that was
   * toggled last. Others are as they were at first: the page would have to hold each combination. */
  stateFor(toggled) {
    const fits = this.archive.contents.states.filter((state) => state.toggled.every((box) => toggled.includes(box)));
    const added = toggled.filter((box) => !this.shown.has(box));
    const wanted = added.toReversed().find((box) => fits.some((state) => state.toggled.includes(box)));
    const holding = wanted === undefined ? fits : fits.filter((state) => state.toggled.includes(wanted));
    const state = holding.reduce((best, one) => (one.toggled.length > best.toggled.length ? one : best));
    const missed = added.some((box) => !state.toggled.includes(box));
    const dropped = toggled.some((box) => !state.toggled.includes(box));
    return { state, said: missed ? "fileNoBox" : dropped && added.length ? "fileOneBox" : "" };
  }
}

/** By name; how a saved page answers it. */
const FILE_ANSWERS = {
  async picture({ toggled = [] }) {
    const { contents } = this.archive;
    const { state, said } = this.stateFor(toggled);
    const cards = await this.archive.get("cards");
    if (this.can("history")) this.histories ??= await this.archive.get("history"); // which cards have one
    const drawings = {};
    for (const [pane, number] of Object.entries(state.drawings)) drawings[pane] = await this.archive.get(`drawing-${number}`);
    this.drawings = drawings;
    this.shown = new Set(state.toggled);
    this.cards ??= Object.fromEntries(Object.entries(cards.names).map(([name, number]) => [name, cards.cards[number]]));
    return {
      key: `state-${contents.states.indexOf(state)}`,
      css: contents.css,
      labels: contents.labels,
      panes: contents.panes.map((pane) => ({ ...pane, ...drawings[pane.id]?.pane })),
      items: Object.fromEntries(Object.entries(drawings).map(([pane, { items }]) => [pane, items])),
      cards: this.cards,
      compare: state.compare,
      opened: state.opened,
      toggled: state.toggled,
      said,
    };
  },

  card({ pane, id }) {
    const card = this.cards?.[`${pane}/${id}`];
    if (!card) throw new Error(this.hub.t("fileNotHere"));
    return { card };
  },

  async way({ ref }) {
    const { results } = await this.archive.get("find");
    return { boxes: results.find((one) => one.ref === ref)?.boxes ?? [] };
  },

  async find({ q, pane, limit, offset }) {
    this.finder ??= new FileFinder(await this.archive.get("find"));
    return this.finder.find(q, pane, limit, offset, this.hub.t);
  },

  heat({ pane, measure }) {
    return { measure: this.drawings[pane]?.heat.find(({ id }) => id === measure) ?? null };
  },

  relations({ pane, id }) {
    return this.drawings[pane]?.relations[id] ?? { relations: [], more: 0, bytes: "" };
  },

  async why(ask) {
    const at = this.archive.contents.whys.findIndex(([one]) => whyKey(one) === whyKey(ask));
    return this.archive.contents.whys[at][1];
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

// -- search --------------------------------------------------------------------------------------

/* The words of a query mean here what they mean on a server (`findwords.py`), but for trips. */
class FileFinder {
  constructor({ results, texts, codes, panes, tensors }) {
    this.results = results;
    this.texts = texts; // field -> its different texts
    this.codes = Object.fromEntries(Object.entries(codes).map(([field, packed]) => [field, unpack(packed)]));
    this.panes = panes;
    this.tensors = tensors;
  }

  find(query, pane, limit = 100, offset = 0, t = String) {
    const words = wordsOf(query.toLowerCase());
    if (words.some(({ field }) => field === "trip")) throw new Error(t("fileNoTrips"));
    const masks = words.map((word) => this.mask(word));
    const found = [];
    for (let at = 0; words.length && at < this.results.length; at += 1) {
      if ((!pane || this.panes[at] === pane) && masks.every((mask) => mask[at])) found.push(this.results[at]);
    }
    return { query, total: found.length, offset, results: found.slice(offset, offset + limit) };
  }

  /** For each entry whether one word fits it. */
  mask({ word, field }) {
    const mask = new Uint8Array(this.results.length);
    const number = field ? null : /^%(\d+)$/.exec(word)?.[1];
    if (number) {
      for (const at of this.tensors[Number(number)] ?? []) mask[at] = 1;
      return mask;
    }
    for (const one of field ? [field] : Object.keys(this.texts)) {
      const fits = this.fitting(one, word, Boolean(field));
      const codes = this.codes[one];
      if (fits.size) for (let at = 0; at < mask.length; at += 1) if (fits.has(codes[at])) mask[at] = 1;
    }
    return mask;
  }

  /** Numbers of the texts of a field that a word fits. */
  fitting(field, word, named) {
    const test = (FILE_TESTS[field] ?? ((one) => (text) => text.includes(one)))(word, named);
    const found = this.texts[field].flatMap((text, number) => (test(text) ? [number] : []));
    const inside = (number) => `.${this.texts[field][number].split(" ")[0]}.`.includes(`.${word}.`);
    const exactly = field === "module" ? found.filter(inside) : [];
    return new Set(exactly.length ? exactly : found);
  }
}

const FILE_WORDS = /(?:(op|name|module|shape|line|kind|dtype|trip):(?!:))?("[^"]*"?|[([][\d\s,]*[)\]]|\S+)?/g;

/** The words of a query in lower case: {word, field}. */
function wordsOf(query) {
  const asked = query.replace(/(?<!\S)trip (\d+)(?!\S)/g, "trip:$1");
  return [...asked.matchAll(FILE_WORDS)].map(([, field = "", word = ""]) => ({ field, word: word.replace(/^"+|"+$/g, "").trim() }))
    .filter(({ word }) => word);
}

/** Field -> the test of its texts for a word, where it is more than that the word is in it. */
const FILE_TESTS = {
  shape(word) {
    const whole = /^[([]([\d\s,]*)[)\]]$/.exec(word);
    if (whole) {
      const wanted = `|${(whole[1].match(/\d+/g) ?? []).join("×") || "scalar"}|`;
      return (text) => text.includes(wanted);
    }
    if (!/^\d+(?:[x×,*]\d+)*[x×,*]?$/.test(word)) return (text) => text.includes(word);
    const row = word.replace(/[x,*]/g, "×");
    const pattern = new RegExp(`(?<!\\d)${row}${row.endsWith("×") ? "" : "(?!\\d)"}`);
    return (text) => pattern.test(text);
  },

  line(word) {
    if (/^\d+$/.test(word)) return (text) => text.endsWith(`:${word}`);
    const place = /^(.*):\d+$/.exec(word);
    if (place) return (text) => (place[1] ? text.endsWith(`/${word}`) || text.endsWith(`\\${word}`) : text.endsWith(word));
    if (/[/\\]/.test(word)) return (text) => text.includes(word);
    return (text) => text.split(/[/\\]/).pop().replace(/:[^:]*$/, "").includes(word);
  },

  kind: (word, named) => (text) => text.split(" ").some((part) => (named ? part.startsWith(word) : part === word)),
};
