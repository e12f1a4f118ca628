/* What a saved page does first: unpack what it holds, and show the workbench. */

const note = document.getElementById("note");

async function start() {
  const pieces = new Map([...document.querySelectorAll("script[data-piece]")].map((el) => [el.dataset.piece, el.textContent]));
  const archive = await new Archive(pieces).open();
  const { language, ops } = document.documentElement.dataset;
  const data = { source: archive, language, labels: archive.contents.labels, ops: Number(ops), place: {}, place_seq: 1 };
  const place = document.getElementById("workbench");
  mountWorkbench(place, data, {});
  note.remove();
  document.getElementById("theme").addEventListener("click", () => {
    const { element } = MOUNTED.get(place);
    document.documentElement.dataset.theme = element.dataset.theme === "dark" ? "light" : "dark";
    MOUNTED.get(place).applyTheme();
  });
}

start().catch((error) => {
  note.append(` (${error.message})`);
});
