/* -- Moments: the run as a row of moments that can be stepped through without asking anybody -------- */

/** Numbers that were packed by the server: base64 of little-endian unsigned ones. */
function unpack(packed) {
  if (!packed) return null;
  const text = atob(packed.data);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return packed.bits === 16 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
}

/** A pattern with * and ? as a regular expression. */
function globbed(pattern, flags = "") {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\*+/g, ".*").replace(/\?/g, ".")}$`, flags);
}

const SITE_FLAGS = { decision: 1, nonfinite: 2, failed: 4 };
const SITE = { kind: 0, title: 1, module: 2, type: 3, stack: 4, depth: 5, phase: 6, flags: 7 };

/* `data` is what timebar.py made. A very long run comes without its moments (`whole` is false): then only
 * the overview is here, and each step is asked for. */
class Moments {
  constructor(data) {
    this.data = data;
    this.count = data.count;
    this.at = unpack(data.at);
    this.whole = this.at !== null;
    if (this.whole) this.index();
  }

  /** The record of each moment, and how many ops, autograd nodes and reads had run by then. */
  index() {
    const { words, sites } = this.data;
    const kinds = sites.map((site) => words[site[SITE.kind]]);
    const [reads, steps] = [unpack(this.data.reads), unpack(this.data.steps)];
    this.depths = Int32Array.from(this.at, (site) => sites[site][SITE.depth]);
    this.records = new Int32Array(this.count);
    this.ops = new Int32Array(this.count);
    this.grads = new Int32Array(this.count);
    this.reads = new Int32Array(this.count);
    let [op, grad, read, step] = [0, 0, 0, 0];
    for (let at = 0; at < this.count; at += 1) {
      const kind = kinds[this.at[at]];
      if (kind === "op") this.records[at] = op++;
      else if (kind === "grad") this.records[at] = grad++;
      else if (kind === "read") this.records[at] = reads[read++];
      else this.records[at] = steps[step++];
      [this.ops[at], this.grads[at], this.reads[at]] = [op, grad, read ? reads[read - 1] + 1 : 0];
    }
  }

  /** What is known of a moment without asking: {kind, id, title, module, type, depth, phase, flags, stack}. */
  site(at) {
    if (!this.whole) return null;
    const { words, sites, phases } = this.data;
    const site = sites[this.at[at]];
    const word = (number) => (number < 0 ? null : words[number]);
    return { kind: words[site[SITE.kind]], id: this.records[at], title: words[site[SITE.title]],
      module: word(site[SITE.module]), type: word(site[SITE.type]), depth: site[SITE.depth],
      phase: phases[site[SITE.phase]], flags: site[SITE.flags], stack: this.frames(site[SITE.stack]) };
  }

  /** The frames of a stack, innermost first. */
  frames(stack) {
    const { words, stacks, frames } = this.data;
    return stack < 0 ? [] : stacks[stack].map((number) => {
      const [path, line, name] = frames[number];
      return { path: words[path], file: words[path].split(/[\\/]/).pop(), line, function: words[name] };
    });
  }

  /** How many ops, autograd nodes and reads (by id) had run, this moment included. */
  done(at) {
    return { op: this.ops[at], grad: this.grads[at], read: this.reads[at] };
  }

  /** The moment of an op or autograd node; -1 if it is not known. */
  momentOf(kind, id) {
    if (!this.whole) return -1;
    const done = { op: this.ops, grad: this.grads }[kind];
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (done[middle] > id) high = middle;
      else low = middle + 1;
    }
    return low < this.count ? low : -1;
  }

  /** Where a move leads: "step", "over" (no deeper), "out" (less deep); null where the run ends. */
  move(at, move, by) {
    if (at < 0 || at >= this.count || move === "step") return at + by >= 0 && at + by < this.count ? at + by : null;
    const limit = this.depths[at] - (move === "out" ? 1 : 0);
    for (let next = at + by; next >= 0 && next < this.count; next += by) if (this.depths[next] <= limit) return next;
    return null;
  }

  /** The next moment whose site passes a test; null if there is none. Each site is tested once. */
  search(from, by, test) {
    const known = new Map();
    for (let at = from + by; at >= 0 && at < this.count; at += by) {
      const number = this.at[at];
      if (!known.has(number)) known.set(number, test(this.site(at)));
      if (known.get(number)) return at;
    }
    return null;
  }

  /** The test for a condition that needs no server, or null. */
  test(what, value) {
    if (!this.whole || !(what in LOCAL_TESTS)) return null;
    return LOCAL_TESTS[what](value.trim());
  }
}

/** Conditions that sites can answer: a page without a server offers these. */
const LOCAL_TESTS = {
  nonfinite: () => (site) => (site.flags & SITE_FLAGS.nonfinite) > 0,
  failure: () => (site) => (site.flags & SITE_FLAGS.failed) > 0,
  op: (value) => {
    const pattern = globbed(value, "i");
    return (site) => (site.kind === "op" || site.kind === "grad") && pattern.test(site.title);
  },
  module: (value) => {
    const pattern = globbed(value);
    const within = (path) => path.split(".").some((_, at, parts) => pattern.test(parts.slice(0, at + 1).join(".")));
    return (site) => site.module !== null && (site.type === value || within(site.module));
  },
  line: (value) => {
    const [, file, line] = /^(?:(.*):)?(\d+)$/.exec(value.replaceAll("\\", "/")) || [];
    const here = (path) => !file || path === file || path.replaceAll("\\", "/").endsWith(`/${file}`);
    return (site) => site.stack.some((frame) => frame.line === Number(line) && here(frame.path));
  },
};
