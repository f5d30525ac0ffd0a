/**
 * Brings a job's log here: its end first, what a link points at, then the rest, then what is written.
 *
 * Two streams may be open for a while: one from the log's beginning up to the lines that came first, and the live one
 * behind them. Lines have numbers, so nothing is shown twice whatever overlaps.
 */

import { SIGNED_OUT, api } from '../core/api.js';
import { follow } from './eventstream.js';
import { isActive } from './outline.js';

// Several screens, and small enough to be here at once: 60 KB of ordinary log.
const TAIL_LINES = 500;
const BEFORE_LINK = 100;
const PAGE_MAX_LINES = 1000; // of the API

export class Feed {
  #path;
  #lines;
  #tell;
  #signal;
  #filling = null;
  #nextLive = 1;

  /**
   * `tell` has `lines(first, last)`, `reset()`, `job(view)`, `failed(error)` and `state(name, wait_ms)`: connecting,
   * live, waiting (comes back in `wait_ms`), ended. `signal` ends everything.
   */
  constructor(jobId, lines, tell, signal) {
    this.#path = `/jobs/${encodeURIComponent(jobId)}/logs`;
    this.#lines = lines;
    this.#tell = tell;
    this.#signal = signal;
  }

  /** Read the end of the log of a job, and around a linked range (null: none), then go on by itself. Throws ApiError. */
  async start(job, range) {
    const [tail, linked] = await Promise.all([
      this.#page({ tail: true, limit: TAIL_LINES }),
      range === null ? null : this.#page(around(range)),
    ]);
    this.#take(tail.lines);
    if (linked !== null) this.#take(linked.lines);
    this.#nextLive = (tail.lines.at(-1)?.id ?? 0) + 1;
    if (!this.#lines.isWhole) this.#fill().catch(this.#tell.failed);
    if (isActive(job.status)) this.#live(tail.last_event_id).catch(this.#tell.failed);
    else this.#tell.state('ended', 0);
  }

  #page(query) {
    return api.get(this.#path, { query, signal: this.#signal });
  }

  #take(lines) {
    if (lines.length === 0) return;
    const { first, last } = this.#lines.add(lines);
    this.#tell.lines(first, last);
  }

  /** Take a stream's lines, where `next` was expected; answers what is expected after them. */
  #takeInOrder(lines, next) {
    const first = lines[0].id;
    // The server waits for lines that are late, so what is still left out is stored nowhere.
    if (first > next) this.#lines.lose(next, first - 1);
    this.#take(lines);
    return Math.max(next, lines.at(-1).id + 1);
  }

  async #fill() {
    this.#filling = new AbortController();
    const signal = AbortSignal.any([this.#signal, this.#filling.signal]);
    let next = 1;
    const ended = await follow(this.#path, {
      signal,
      onState: () => {},
      onEvent: ({ type, data }) => {
        if (type === 'message' && data !== null) next = this.#takeInOrder(JSON.parse(data), next);
        else if (type === 'reset') next = 1;
        return type !== 'end' && type !== 'denied' && !this.#lines.isWhole;
      },
    });
    if (ended === 401) dispatchEvent(new CustomEvent(SIGNED_OUT));
  }

  async #live(lastEventId) {
    const ended = await follow(this.#path, {
      lastEventId,
      signal: this.#signal,
      onState: (state, wait_ms) => this.#tell.state(state === 'over' ? 'ended' : state, wait_ms),
      onEvent: (event) => this.#see(event),
    });
    if (ended === 401) dispatchEvent(new CustomEvent(SIGNED_OUT));
  }

  #see({ type, data }) {
    switch (type) {
      case 'message':
        if (data !== null) this.#nextLive = this.#takeInOrder(JSON.parse(data), this.#nextLive);
        break;
      case 'status':
        this.#tell.job(JSON.parse(data));
        break;
      case 'end':
        this.#tell.job(JSON.parse(data));
        return false;
      case 'reset': // all of the log comes again, by this stream
        this.#filling?.abort();
        this.#nextLive = 1;
        this.#lines.clear();
        this.#tell.reset();
        break;
      case 'denied':
        dispatchEvent(new CustomEvent(SIGNED_OUT));
        return false;
    }
    return true;
  }
}

/** The page that holds a linked range, or as much of it as a page can. */
function around({ first, last }) {
  const after = Math.max(0, first - 1 - BEFORE_LINK);
  return { after, limit: Math.min(PAGE_MAX_LINES, last - after + BEFORE_LINK) };
}
