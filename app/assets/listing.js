/* Lines of text, one of them current. Each row arrives as
   [text, gutter, depth, id, state, mark, count, heading]. */

const INDENT = "  ";
const MARGIN = 3; // rows of context kept around the current one
const KNOWN = new WeakMap(); // what an element shows, so that a step changes two classes only

function cell(name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}

function rowOf([text, gutter, depth, id, state, mark, count, heading]) {
  const row = document.createElement("div");
  row.className = ["row", state, mark, heading && "heading"].filter(Boolean).join(" ");
  if (id !== null) row.dataset.id = id;
  if (gutter !== "") row.append(cell("gutter", gutter));
  if (count !== null) row.append(cell("count", count));
  row.append(cell("text", INDENT.repeat(depth) + text));
  row.title = text.trim();
  return row;
}

function build(parent) {
  const box = document.createElement("div");
  box.className = "listing";
  const head = cell("head", "");
  const rows = document.createElement("div");
  rows.className = "rows";
  rows.tabIndex = 0;
  const inner = document.createElement("div");
  inner.className = "inner";
  rows.append(inner);
  box.append(head, rows);
  parent.append(box);
  const shown = { box, head, rows, inner, text: "", current: null, send: () => {} };
  rows.addEventListener("click", (event) => {
    const row = event.target.closest?.("[data-id]");
    if (row) shown.send(Number(row.dataset.id));
  });
  return shown;
}

function reveal(shown, row, fresh) {
  const edge = MARGIN * row.offsetHeight;
  const { scrollTop, clientHeight } = shown.rows;
  const top = row.offsetTop;
  const seen = top >= scrollTop + edge && top + row.offsetHeight <= scrollTop + clientHeight - edge;
  if (fresh || !seen) shown.rows.scrollTop = top - (clientHeight - row.offsetHeight) / 2;
  shown.rows.scrollLeft = 0;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let shown = KNOWN.get(parentElement);
  if (!shown) KNOWN.set(parentElement, (shown = build(parentElement)));
  shown.send = (id) => setTriggerValue("chosen", id);
  shown.box.style.height = data.height;
  shown.head.textContent = data.title;
  const text = JSON.stringify(data.rows);
  const fresh = text !== shown.text;
  if (fresh) {
    shown.text = text;
    shown.inner.replaceChildren(...data.rows.map(rowOf));
  }
  shown.inner.querySelectorAll(".current").forEach((row) => {
    row.classList.remove("current");
    row.removeAttribute("aria-current");
  });
  const at = data.current ?? data.shown;
  const row = at === null ? null : shown.inner.children[at];
  if (!row) return;
  if (data.current !== null) {
    row.classList.add("current");
    row.setAttribute("aria-current", "step");
  }
  reveal(shown, row, fresh);
}
