/**
 * Which lines are rows on the screen, and where. Pure.
 *
 * A line is not a row when it is inside of a folded section, or only ends one. Rows are counted from 0; offsets and
 * heights are in pixels.
 */

/** Runs of lines that are shown [{first, last}], in order, for a log of `last` lines. */
export function visibleRuns(last, sections, folded, ends) {
  const hidden = sections
    .filter((section) => folded.has(section.n) && section.last > section.n)
    .map((section) => ({ first: section.n + 1, last: section.last }));
  for (const n of ends) hidden.push({ first: n, last: n });
  hidden.sort((a, b) => a.first - b.first);
  const runs = [];
  let next = 1;
  for (const gone of hidden) {
    if (gone.first > next) runs.push({ first: next, last: gone.first - 1 });
    next = Math.max(next, gone.last + 1);
  }
  if (next <= last) runs.push({ first: next, last });
  return runs;
}

/** Rows and their places; made anew whenever something changes, which takes 1 ms for 100,000 rows. */
export class Layout {
  #runs;
  #offsets = null;

  /** `heightOf(n)` gives a line's height; null: all rows are `height` high. */
  constructor(runs, height, heightOf = null) {
    let rows = 0;
    this.#runs = runs.map((run) => {
      const placed = { ...run, row: rows };
      rows += run.last - run.first + 1;
      return placed;
    });
    this.rows = rows;
    this.height = height;
    if (heightOf !== null) this.#measure(heightOf);
  }

  /** The height of everything. */
  get total() {
    return this.offset(this.rows);
  }

  /** The line in a row. */
  line(row) {
    const run = this.#runs[lastBelow(this.#runs.length, (i) => this.#runs[i].row <= row)];
    return run.first + row - run.row;
  }

  /** The row of a line; of one that is not shown the nearest row before it (its section's head), or 0. */
  row(n) {
    const at = lastBelow(this.#runs.length, (i) => this.#runs[i].first <= n);
    if (at < 0) return 0;
    const run = this.#runs[at];
    return run.row + Math.min(n, run.last) - run.first;
  }

  /** Whether a line is a row. */
  shows(n) {
    const at = lastBelow(this.#runs.length, (i) => this.#runs[i].first <= n);
    return at >= 0 && n <= this.#runs[at].last;
  }

  /** Where a row begins; the row behind the last one begins where everything ends. */
  offset(row) {
    return this.#offsets === null ? row * this.height : this.#offsets[row];
  }

  /** The row at an offset, within bounds; 0 when there are none. */
  rowAt(offset) {
    const found =
      this.#offsets === null
        ? Math.floor(offset / this.height)
        : lastBelow(this.rows, (row) => this.#offsets[row] <= offset);
    return Math.max(0, Math.min(this.rows - 1, found));
  }

  #measure(heightOf) {
    this.#offsets = new Float64Array(this.rows + 1);
    let row = 0;
    for (const run of this.#runs) {
      for (let n = run.first; n <= run.last; n += 1, row += 1) {
        this.#offsets[row + 1] = this.#offsets[row] + heightOf(n);
      }
    }
  }
}

/** The last of `count` positions for which `isBelow` holds (it holds for a beginning of them); -1 when for none. */
function lastBelow(count, isBelow) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBelow(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
