/* The ranks of a run as rows, with the messages between them as columns that join the rows.
 *
 * Plain JavaScript without a build step: a component of the app and a saved page draw the same rows. */

/** Draws into `parent`; a click on ops or on a message calls `chosen(lane, op)`, one on a rank's name with op -1. */
class LaneRows {
  constructor(parent) {
    this.text = ""; // what is drawn, so that a selection changes classes only
    this.at = "";
    this.chosen = () => {};
    this.names = LaneRows.made("div", "names");
    this.columns = LaneRows.made("div", "columns");
    this.columns.tabIndex = 0;
    const box = LaneRows.made("div", "lanes");
    box.append(this.names, this.columns);
    parent.append(box);
    this.names.addEventListener("click", (event) => {
      const lane = [...this.names.querySelectorAll(".rank")].indexOf(event.target.closest?.(".rank"));
      if (lane >= 0) this.chosen(lane, -1);
    });
    this.columns.addEventListener("click", (event) => {
      const found = event.target.closest?.("[data-op]");
      if (found) this.chosen(Number(found.dataset.lane), Number(found.dataset.op));
    });
  }

  /** Show `rows` (see `lane_rows.py`), the graph of `lane` being seen and its `op` selected. */
  show({ rows, title, lane, op }) {
    const text = JSON.stringify(rows);
    if (text !== this.text) {
      this.text = text;
      this.columns.setAttribute("aria-label", title);
      this.names.replaceChildren(LaneRows.made("span", "group"), ...rows.lanes.map(LaneRows.name));
      this.columns.replaceChildren(...rows.columns.map(LaneRows.column));
    }
    [...this.names.querySelectorAll(".rank")].forEach((name, number) => {
      name.classList.toggle("shown", number === lane);
      name.setAttribute("aria-pressed", number === lane);
    });
    this.mark(lane, op);
  }

  mark(lane, op) {
    this.columns.querySelectorAll(".current").forEach((one) => {
      one.classList.remove("current");
      one.removeAttribute("aria-current");
    });
    const all = op === null ? [] : [...this.columns.querySelectorAll("[data-op]")];
    const here = all.filter((one) => LaneRows.isAt(one, lane, op));
    const found = here.find((one) => one.classList.contains("message")) ?? here[0];
    if (!found) return;
    found.classList.add("current");
    found.setAttribute("aria-current", "step");
    if (this.at === `${lane}/${op}`) return;
    this.at = `${lane}/${op}`;
    const view = this.columns.getBoundingClientRect();
    const place = found.getBoundingClientRect();
    if (place.left < view.left || place.right > view.right)
      this.columns.scrollLeft += place.left - view.left - view.width / 2;
  }

  static isAt({ dataset }, lane, op) {
    if (Number(dataset.lane) !== lane) return false;
    if (dataset.end) return Number(dataset.first) <= op && op < Number(dataset.end);
    return Number(dataset.op) === op || (dataset.wait !== "" && Number(dataset.wait) === op);
  }

  static made(tag, name, text = "") {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    return element;
  }

  static name({ name, title, failed }) {
    const found = LaneRows.made("button", failed ? "rank failed" : "rank", name);
    found.type = "button";
    found.title = title;
    return found;
  }

  static button(name, lane, op, title, texts) {
    const found = LaneRows.made("button", name);
    found.type = "button";
    found.title = title;
    found.dataset.lane = lane;
    found.dataset.op = op;
    found.append(...texts.filter(Boolean).map((text, number) => LaneRows.made("span", number ? "time" : "name", text)));
    return found;
  }

  static between(part, lane) {
    if (!part) return LaneRows.made("span", "through");
    const found = LaneRows.button(part.failed ? "ops failed" : "ops", lane, part.op, part.title, [part.text]);
    found.dataset.end = part.end;
    found.dataset.first = part.first;
    return found;
  }

  static cell(cell, lane) {
    if (!cell) return LaneRows.made("span", "through");
    if (cell.missing) {
      const gap = LaneRows.made("span", "never", "✕");
      gap.title = cell.title;
      return gap;
    }
    const found = LaneRows.button(cell.waits ? "message waits" : "message", lane, cell.op, cell.title, [cell.text, cell.time]);
    found.dataset.wait = cell.wait ?? "";
    return found;
  }

  static column(column) {
    const box = LaneRows.made("div", column.wrong ? "column wrong" : "column");
    if (column.title) box.title = column.title;
    box.append(LaneRows.made("span", "group", column.group));
    const there = column.cells.map((cell, lane) => (cell ? lane : -1)).filter((lane) => lane >= 0);
    if (there.length > 1) {
      const join = LaneRows.made("span", "join");
      join.style.setProperty("--first", there[0]);
      join.style.setProperty("--span", there.at(-1) - there[0]);
      box.append(join);
    }
    column.cells.forEach((cell, lane) => {
      const row = LaneRows.made("div", "row");
      row.append(LaneRows.between(column.between[lane], lane), LaneRows.cell(cell, lane));
      box.append(row);
    });
    return box;
  }
}
