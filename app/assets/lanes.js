/* The ranks of a run as rows, with the messages between them as columns that join the rows.
   A click on ops or on a message sends [lane, op]. */

const KNOWN = new WeakMap(); // what an element shows, so that a selection changes classes only

function made(tag, name, text = "") {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

function button(name, lane, op, title, texts) {
  const found = made("button", name);
  found.type = "button";
  found.title = title;
  found.dataset.lane = lane;
  found.dataset.op = op;
  found.append(...texts.filter(Boolean).map((text, number) => made("span", number ? "time" : "name", text)));
  return found;
}

function betweenOf(part, lane) {
  if (!part) return made("span", "through");
  const name = part.failed ? "ops failed" : "ops";
  const found = button(name, lane, part.op, part.title, [part.text]);
  found.dataset.end = part.end;
  found.dataset.first = part.first;
  return found;
}

function cellOf(cell, lane) {
  if (!cell) return made("span", "through");
  if (cell.missing) {
    const gap = made("span", "never", "✕");
    gap.title = cell.title;
    return gap;
  }
  const found = button(cell.waits ? "message waits" : "message", lane, cell.op, cell.title, [cell.text, cell.time]);
  found.dataset.wait = cell.wait ?? "";
  return found;
}

function columnOf(column) {
  const box = made("div", column.wrong ? "column wrong" : "column");
  if (column.title) box.title = column.title;
  box.append(made("span", "group", column.group));
  const there = column.cells.map((cell, lane) => (cell ? lane : -1)).filter((lane) => lane >= 0);
  if (there.length > 1) {
    const join = made("span", "join");
    join.style.setProperty("--first", there[0]);
    join.style.setProperty("--span", there.at(-1) - there[0]);
    box.append(join);
  }
  column.cells.forEach((cell, lane) => {
    const row = made("div", "row");
    row.append(betweenOf(column.between[lane], lane), cellOf(cell, lane));
    box.append(row);
  });
  return box;
}

function build(parent) {
  const box = made("div", "lanes");
  const names = made("div", "names");
  const columns = made("div", "columns");
  columns.tabIndex = 0;
  box.append(names, columns);
  parent.append(box);
  const shown = { box, names, columns, text: "", at: "", send: () => {} };
  names.addEventListener("click", (event) => {
    const lane = [...names.querySelectorAll(".rank")].indexOf(event.target.closest?.(".rank"));
    if (lane >= 0) shown.send([lane, -1]);
  });
  columns.addEventListener("click", (event) => {
    const found = event.target.closest?.("[data-op]");
    if (found) shown.send([Number(found.dataset.lane), Number(found.dataset.op)]);
  });
  return shown;
}

function isAt(element, lane, op) {
  const { dataset } = element;
  if (Number(dataset.lane) !== lane) return false;
  if (dataset.end) return Number(dataset.first) <= op && op < Number(dataset.end);
  return Number(dataset.op) === op || (dataset.wait !== "" && Number(dataset.wait) === op);
}

function mark(shown, lane, op) {
  shown.columns.querySelectorAll(".current").forEach((one) => {
    one.classList.remove("current");
    one.removeAttribute("aria-current");
  });
  const all = op === null ? [] : [...shown.columns.querySelectorAll("[data-op]")];
  const here = all.filter((one) => isAt(one, lane, op));
  const found = here.find((one) => one.classList.contains("message")) ?? here[0];
  if (!found) return;
  found.classList.add("current");
  found.setAttribute("aria-current", "step");
  if (shown.at === `${lane}/${op}`) return;
  shown.at = `${lane}/${op}`;
  const view = shown.columns.getBoundingClientRect();
  const place = found.getBoundingClientRect();
  if (place.left < view.left || place.right > view.right)
    shown.columns.scrollLeft += place.left - view.left - view.width / 2;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let shown = KNOWN.get(parentElement);
  if (!shown) KNOWN.set(parentElement, (shown = build(parentElement)));
  shown.send = (chosen) => setTriggerValue("chosen", chosen);
  const text = JSON.stringify(data.rows);
  if (text !== shown.text) {
    shown.text = text;
    shown.columns.setAttribute("aria-label", data.title);
    const rows = data.rows.lanes.map((lane) => {
      const name = made("button", lane.failed ? "rank failed" : "rank", lane.name);
      name.type = "button";
      name.title = lane.title;
      return name;
    });
    shown.names.replaceChildren(made("span", "group"), ...rows);
    shown.columns.replaceChildren(...data.rows.columns.map(columnOf));
  }
  [...shown.names.querySelectorAll(".rank")].forEach((name, lane) => name.classList.toggle("shown", lane === data.lane));
  mark(shown, data.lane, data.op);
}
