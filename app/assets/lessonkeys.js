/* Keys of a lesson: arrows and PageUp, PageDown press Back and Next, Escape leaves the presentation.
 * And each step's text begins at its top.
 *
 * data = { step, keys: { ArrowRight: "lesson-next", … } }: which step it is, and the key of the Streamlit
 * button that is pressed. */

const STEPS = new WeakMap();
const LISTENERS = new WeakMap();
const TYPED = "input, textarea, select, [contenteditable]:not([contenteditable=false]), [role=slider], [role=textbox], [role=radiogroup]";

/** Whether the key means something where it was pressed: the workbench walks its graphs by arrows. */
function isTaken(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return true;
  const path = event.composedPath().filter((node) => node instanceof Element);
  if (path.some((node) => node.matches(TYPED) || node.matches(".wb-present, [role=dialog], [role=listbox]"))) return true;
  return event.key.startsWith("Arrow") && path.some((node) => node.matches(".wb-side, .wb-card, [role=tablist]"));
}

function beginAtTop(parent, step) {
  if (STEPS.get(parent) === step) return;
  STEPS.set(parent, step);
  document.querySelector(".st-key-lesson-text")?.parentElement.scrollTo(0, 0);
}

export default function lessonKeys({ data, parentElement }) {
  beginAtTop(parentElement, data.step);
  const press = (event) => {
    const name = data.keys[event.key];
    if (name === undefined || isTaken(event)) return;
    const button = document.querySelector(`.st-key-${name} button`);
    if (!button || button.disabled) return;
    event.preventDefault();
    button.click();
  };
  const forget = () => {
    const before = LISTENERS.get(parentElement);
    if (before) document.removeEventListener("keydown", before);
    LISTENERS.delete(parentElement);
  };
  forget();
  LISTENERS.set(parentElement, press);
  document.addEventListener("keydown", press);
  return forget;
}
