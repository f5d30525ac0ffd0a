/** Searching a log: all lines that are here, a slice at a time, so that the page never stands still. */

// About 3 ms of work; between two slices the browser paints and takes keys.
const SLICE = 5000;

/** Make `find(text)` -> [[start, end], ...] for a query; capital letters in it make it care about them. */
export function finder(query) {
  const minds = query !== query.toLowerCase();
  const wanted = minds ? query : query.toLowerCase();
  return (text) => {
    const found = [];
    if (wanted === '') return found;
    const searched = minds ? text : text.toLowerCase();
    // A few letters (the Turkish capital I) change their length in lower case: then marks would stand wrong.
    const place = searched.length === text.length ? searched : text;
    for (let at = place.indexOf(wanted); at >= 0; at = place.indexOf(wanted, at + wanted.length)) {
      found.push([at, at + wanted.length]);
    }
    return found;
  };
}

/** The lines that hold a query, kept up to date while lines come. */
export class Search {
  #lines;
  #changed;
  #queue = [];
  #isRunning = false;

  /** `changed()` is called when `hits` or `isBusy` may be other than before. */
  constructor(lines, changed) {
    this.#lines = lines;
    this.#changed = changed;
    this.query = '';
    this.find = finder('');
    /** Numbers of lines, in order. */
    this.hits = [];
  }

  /** Whether there are lines that were not looked at yet. */
  get isBusy() {
    return this.#queue.length > 0;
  }

  /** Look for something else; '' for nothing. */
  start(query) {
    this.query = query;
    this.find = finder(query);
    this.hits = [];
    this.#queue = query === '' ? [] : this.#lines.regions.map((region) => ({ ...region }));
    this.#changed();
    this.#run();
  }

  /** Look at lines that have just come. */
  add(first, last) {
    if (this.query === '') return;
    this.#queue.push({ first, last });
    this.#run();
  }

  /** Forget all hits: the log begins anew. */
  clear() {
    this.hits = [];
    this.#queue = [];
  }

  /** The hit after line `n` (or before it, backwards), going round at the ends; null when there is none. */
  next(n, backwards = false) {
    if (this.hits.length === 0) return null;
    const at = firstFrom(this.hits, backwards ? n : n + 1);
    if (backwards) return this.hits.at(at - 1);
    return this.hits[at] ?? this.hits[0];
  }

  /** The place of a line among the hits, from 1; 0 when it is none. */
  place(n) {
    const at = firstFrom(this.hits, n);
    return this.hits[at] === n ? at + 1 : 0;
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#queue.length > 0) {
      const run = this.#queue[0];
      const last = Math.min(run.last, run.first + SLICE - 1);
      this.#look(run.first, last);
      if (this.#queue[0] === run) {
        if (last === run.last) this.#queue.shift();
        else run.first = last + 1;
      }
      this.#changed();
      if (this.#queue.length > 0) await new Promise((resume) => setTimeout(resume));
    }
    this.#isRunning = false;
  }

  #look(first, last) {
    const found = [];
    for (let n = first; n <= last; n += 1) if (this.find(this.#lines.text(n)).length > 0) found.push(n);
    // The same lines may be looked at twice: once as part of what was here, once as news.
    const start = firstFrom(this.hits, first);
    this.hits.splice(start, firstFrom(this.hits, last + 1) - start, ...found);
  }
}

/** The index of the first number that is not below `n`. */
function firstFrom(numbers, n) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < n) low = middle + 1;
    else high = middle;
  }
  return low;
}
