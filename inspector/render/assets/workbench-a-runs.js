/* -- runs: which ops an item stands for, written short --------------------------------------------- */

/*   7             the op 7
 *   [3, 9]        3, 4, 5 … 9
 *   [1, 89, 11]   1, 12, 23 … 89: what each trip of a loop ran
 *
 * A closed box has 100,000 ops. They are never written out: what is linked is found by comparing runs. */

const NO_RUNS = new Int32Array();
const FLAT_RUNS = new WeakMap(); // as an item has them -> as they are compared

/** Runs as one array [first, last, step, first, last, step, …], in order; made once for each item. */
function flatRuns(runs) {
  if (!runs?.length) return NO_RUNS;
  if (!FLAT_RUNS.has(runs)) FLAT_RUNS.set(runs, flattened(runs));
  return FLAT_RUNS.get(runs);
}

function flattened(runs) {
  const first = (run) => (typeof run === "number" ? run : run[0]);
  const inOrder = runs.every((run, at) => !at || first(runs[at - 1]) <= first(run));
  const flat = new Int32Array(3 * runs.length);
  (inOrder ? runs : runs.toSorted((a, b) => first(a) - first(b))).forEach((run, at) =>
    flat.set(typeof run === "number" ? [run, run, 1] : [run[0], run[1], run[2] ?? 1], 3 * at));
  return flat;
}

/** The lowest number of runs; Infinity of none. */
function lowestOf(runs) {
  return flatRuns(runs)[0] ?? Infinity;
}

/** Whether two flat runs have a number in common. */
function overlap(mine, theirs) {
  let [i, j] = [0, 0];
  while (i < mine.length && j < theirs.length) {
    if (mine[i + 1] < theirs[j]) i += 3;
    else if (theirs[j + 1] < mine[i]) j += 3;
    else if (runsMeet(mine, i, theirs, j)) return true;
    else if (mine[i + 1] < theirs[j + 1]) i += 3;
    else j += 3;
  }
  return false;
}

/** Whether one run of each has a number in common. Their ranges do. */
function runsMeet(mine, i, theirs, j) {
  if (mine[i + 2] < theirs[j + 2]) return runsMeet(theirs, j, mine, i);
  const [first, last, step] = mine.subarray(i, i + 3); // the one with the larger steps
  const [other, end, small] = theirs.subarray(j, j + 3);
  let at = first + Math.max(0, Math.ceil((other - first) / step)) * step;
  if (step === small) return (at - other) % step === 0;
  for (; at <= Math.min(last, end); at += step) if ((at - other) % small === 0) return true;
  return false;
}
