/**
 * The lines of one log, by their numbers. Pure.
 *
 * They come in any order (the end first, then the rest), so what is known is a list of regions: runs of numbers without
 * a gap. Everything stays in memory: the server keeps at most 64 MB of a job, and 100,000 ordinary lines are 15 MB here.
 */

import { plain } from './ansi.js';
import { markOf } from './marks.js';

export const LEVELS = ['stdout', 'stderr', 'info', 'error', 'lost'];
const LOST = LEVELS.indexOf('lost');

const PAGE = 1024; // lines that share their arrays: large arrays cost less than many small objects

export class Lines {
  #pages = new Map();

  constructor() {
    this.clear();
  }

  /** Forget everything: the log begins anew. */
  clear() {
    this.#pages.clear();
    /** Known runs [{first, last}], in order, with at least one unknown line between two. */
    this.regions = [];
    /** Marks of steps and groups, in order (marks.js). */
    this.marks = [];
    /** The number of the last line that is known to exist; it may not be here yet. */
    this.last = 0;
    /** The time of the first line in ms, NaN until it is here. */
    this.beginning = Number.NaN;
  }

  /** Take lines as the API gives them, in order and without a gap; what is here already stays. Answers their region. */
  add(lines) {
    const first = lines[0].id;
    const last = lines[lines.length - 1].id;
    for (const line of lines) {
      if (!this.has(line.id)) this.#put(line.id, line.message, LEVELS.indexOf(line.level), Date.parse(line.timestamp));
    }
    this.#join(first, last);
    return { first, last };
  }

  /** Take note of lines that are stored nowhere: their worker and Redis were lost at the same time. */
  lose(first, last) {
    for (let n = first; n <= last; n += 1) {
      if (!this.has(n)) this.#put(n, 'this line was lost', LOST, Number.NaN);
    }
    this.#join(first, last);
  }

  /** Learn that lines up to a number exist. */
  expect(last) {
    this.last = Math.max(this.last, last);
  }

  has(n) {
    const page = this.#pages.get(Math.floor(n / PAGE));
    return page !== undefined && page.text[n % PAGE] !== undefined;
  }

  /** A line {n, message, level, time} as it was written, with its colours; null when it is not here. */
  get(n) {
    const page = this.#pages.get(Math.floor(n / PAGE));
    const message = page?.text[n % PAGE];
    if (message === undefined) return null;
    return { n, message, level: LEVELS[page.level[n % PAGE]], time: page.time[n % PAGE] };
  }

  /** What a reader sees of a line; '' when it is not here. */
  text(n) {
    return plain(this.#pages.get(Math.floor(n / PAGE))?.text[n % PAGE] ?? '');
  }

  /** About how many characters a line is wide, without looking at it again. */
  width(n) {
    return this.#pages.get(Math.floor(n / PAGE))?.width[n % PAGE] ?? 0;
  }

  /** Whether every line from the first to the last that is known to exist is here. */
  get isWhole() {
    return this.last === 0 || (this.regions.length === 1 && this.regions[0].first === 1 && this.regions[0].last >= this.last);
  }

  #put(n, message, level, time) {
    const number = Math.floor(n / PAGE);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = {
        text: new Array(PAGE),
        level: new Uint8Array(PAGE),
        time: new Float64Array(PAGE),
        width: new Uint16Array(PAGE), // a line has at most 16 KB
      };
      this.#pages.set(number, page);
    }
    page.text[n % PAGE] = message;
    page.level[n % PAGE] = level;
    page.time[n % PAGE] = time;
    page.width[n % PAGE] = plain(message).length;
    if (n === 1) this.beginning = time;
    const mark = markOf(n, message, LEVELS[level], time);
    if (mark !== null) insert(this.marks, mark);
  }

  #join(first, last) {
    const apart = this.regions.filter((region) => region.last < first - 1 || region.first > last + 1);
    const touching = this.regions.filter((region) => region.last >= first - 1 && region.first <= last + 1);
    const joined = {
      first: Math.min(first, ...touching.map((region) => region.first)),
      last: Math.max(last, ...touching.map((region) => region.last)),
    };
    this.regions = [...apart, joined].sort((a, b) => a.first - b.first);
    this.expect(last);
  }
}

/** Put a mark where its number belongs: nearly always at the end of what came so far. */
function insert(marks, mark) {
  let at = marks.length;
  while (at > 0 && marks[at - 1].n > mark.n) at -= 1;
  marks.splice(at, 0, mark);
}
