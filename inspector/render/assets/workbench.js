/* -- the two entry points ------------------------------------------------------------------------ */

/**
 * Draw a workbench in `root` (an element or a shadow root), or give new data to the one there.
 *
 * `callbacks.onSelect(ref)` hears of a selection ("dynamic/op:3", or null), about 50 ms after it is
 * drawn; `callbacks.onToggle({pane, id, n})` of a box to open or close (without it, boxes cannot be
 * toggled). With a `data.source`, `callbacks.onPlace(place)` hears of all of that instead, and
 * `callbacks.onLost(source)` that the server has forgotten the recording. The stylesheet workbench.css must apply to `root`. Returns a function that removes the
 * workbench; what the user did (tabs, pan and zoom, selection) is remembered for the same `root`.
 */
export function mountWorkbench(root, data, callbacks = {}) {
  const before = MOUNTED.get(root);
  if (before?.language === languageOf(data)) before.update(data, callbacks);
  else {
    before?.destroy(); // buttons and titles have their texts from the start
    MOUNTED.set(root, new Workbench(root, data, callbacks));
  }
  const mounted = MOUNTED.get(root);
  return () => {
    if (MOUNTED.get(root) === mounted) MOUNTED.delete(root);
    mounted.destroy();
  };
}

/** The language that data is told in, as far as it is said. */
function languageOf(data) {
  return data.language ?? "en";
}

/** Entry point of Streamlit's components v2: called again, with the same parent, on every change of data. */
export default function streamlitWorkbench({ data, parentElement, setStateValue, setTriggerValue }) {
  const callbacks = data?.source
    ? { onPlace: (place) => setStateValue("place", place), onLost: (source) => setTriggerValue("lost", source) }
    : { onSelect: (ref) => setStateValue("selected", ref), onToggle: (toggle) => setTriggerValue("toggle", toggle) };
  return mountWorkbench(parentElement, data || {}, callbacks);
}
