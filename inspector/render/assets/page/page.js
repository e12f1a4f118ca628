/* What a saved page does first: unpack what it holds, and show the workbench; above it the ranks, where it has several. */

const ADDRESS_DELAY = 300; // ms; browsers refuse to change an address many times a second

/** What is shown, as the address says it: a link leads there, and so does the browser's Back. */
function addressOf({ rank, selected = null, toggled = [], moment = null, runs = "both", tabs = {} }) {
  const said = { rank, open: toggled.at(-1), select: selected, at: moment, runs: runs === "both" ? null : runs, left: tabs.left, right: tabs.right };
  return `#${new URLSearchParams(Object.entries(said).filter(([, value]) => value !== null && value !== undefined))}`;
}

/** The place that the address names. */
function addressed() {
  const said = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (/^\d+$/.test(said.get(name)) ? Number(said.get(name)) : null);
  return {
    rank: number("rank"), selected: said.get("select"), toggled: said.has("open") ? [said.get("open")] : [],
    moment: number("at"), runs: said.get("runs") ?? undefined,
    tabs: Object.fromEntries(SIDES.filter((side) => said.has(side)).map((side) => [side, said.get(side)])),
  };
}

/** Which op of the graph of what ran is selected; null for none. */
function opOf({ selected }) {
  const found = /^dynamic\/op:(\d+)$/.exec(selected ?? "");
  return found && Number(found[1]);
}

class SavedPage {
  constructor(pieces) {
    this.pieces = pieces;
    this.archives = new Map(); // by lane; one that is looked at is unpacked
    this.ranks = [null];
    this.lane = 0;
    this.seq = 0;
    this.hasAddress = window === window.top; // a notebook's frame has none of its own
    this.replaceSoon = debounce(() => history.replaceState(null, "", this.address), ADDRESS_DELAY);
    if (this.hasAddress) window.addEventListener("popstate", () => this.show(addressed()));
    document.getElementById("theme").addEventListener("click", () => this.turnTheme());
  }

  async start() {
    if (this.pieces.has("lanes")) this.drawRanks(await new Archive(this.pieces).get("lanes"));
    await this.show(this.hasAddress ? addressed() : {});
  }

  /** The rows of the ranks; in a shadow, where their names of classes are their own. */
  drawRanks({ rows, ranks, title, wait, mismatches, more, css }) {
    const place = h("section", { id: "ranks", "aria-label": title });
    const inside = place.attachShadow({ mode: "open" });
    const [first, ...others] = mismatches.map(([message, help]) => h("p", { class: "mismatch" }, h("b", {}, message), help));
    const rest = others.length ? h("details", {}, h("summary", {}, more), others) : null;
    inside.append(...[h("style", {}, css), first, rest, wait && h("p", {}, wait)].filter(Boolean));
    this.ranks = ranks;
    this.rows = new LaneRows(inside);
    this.rows.chosen = (lane, op) => this.step({ rank: ranks[lane], selected: op < 0 ? null : `dynamic/op:${op}` });
    this.markRank = (op) => this.rows.show({ rows, title, lane: this.lane, op });
    document.querySelector("header").after(place);
    document.body.classList.add("with-ranks");
  }

  archiveOf(lane) {
    const own = `${lane}/`;
    const pieces = [...this.pieces].filter(([name]) => name.startsWith(own)).map(([name, data]) => [name.slice(own.length), data]);
    if (!this.archives.has(lane)) this.archives.set(lane, new Archive(this.rows ? new Map(pieces) : this.pieces).open());
    return this.archives.get(lane);
  }

  /** Show a place as a new step of the browser's. */
  step(place) {
    if (this.hasAddress) history.pushState(null, "", addressOf(place));
    return this.show(place);
  }

  /** Show a place. Boxes that are opened for it are part of the same step. */
  async show(place) {
    this.replaceSoon.cancel();
    this.before = null;
    this.wanted = place;
    const lane = Math.max(0, this.ranks.indexOf(place.rank ?? null));
    const archive = await this.archiveOf(lane);
    if (this.wanted !== place) return; // another one is, by now
    const hub = this.mount(archive, lane, place);
    this.markRank?.(opOf(place));
    await hub.ready;
    if (this.wanted === place) this.before = hub.place();
  }

  mount(archive, lane, place) {
    let root = document.getElementById("workbench");
    if (lane !== this.lane && this.unmount) {
      this.unmount();
      root.replaceWith((root = root.cloneNode(false))); // nothing is remembered of another rank's graph
    }
    this.lane = lane;
    const { language, ops } = document.documentElement.dataset;
    const data = { source: archive, language, labels: archive.contents.labels, ops: Number(ops), place, place_seq: ++this.seq };
    this.unmount = mountWorkbench(root, data, { onPlace: (now) => this.follow(now) });
    document.getElementById("note")?.remove();
    return MOUNTED.get(root);
  }

  /** Keep the address as the place is: a box that is opened or closed by hand is a step of the browser's. */
  follow(place) {
    this.markRank?.(opOf(place));
    if (!this.hasAddress) return;
    const { before } = this;
    if (before) this.before = place;
    this.address = addressOf({ ...place, rank: this.ranks[this.lane] });
    this.replaceSoon.cancel();
    const opened = before && place.toggled.at(-1) !== before.toggled.at(-1) && place.moment === before.moment;
    if (opened) history.pushState(null, "", this.address);
    else this.replaceSoon();
  }

  turnTheme() {
    const hub = MOUNTED.get(document.getElementById("workbench"));
    document.documentElement.dataset.theme = hub.element.dataset.theme === "dark" ? "light" : "dark";
    hub.applyTheme();
  }
}

new SavedPage(new Map([...document.querySelectorAll("script[data-piece]")].map((el) => [el.dataset.piece, el.textContent])))
  .start()
  .catch((error) => document.getElementById("note")?.append(` (${error.message})`));
