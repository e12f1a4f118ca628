/* The ranks of a run on a page of the app: `LaneRows` (see inspector/render/assets/lanes) as a component. A click sends [lane, op]. */

const KNOWN = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let shown = KNOWN.get(parentElement);
  if (!shown) KNOWN.set(parentElement, (shown = new LaneRows(parentElement)));
  shown.chosen = (lane, op) => setTriggerValue("chosen", [lane, op]);
  shown.show(data);
}
