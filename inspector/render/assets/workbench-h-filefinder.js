/* -- the search of a saved page: over all that was packed into it ----------------------------------- */

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
