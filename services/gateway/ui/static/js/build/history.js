/** A build's history as a timeline: each step with who said it, what, and how long it lasted. */

import { api } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { ago, duration, elapsed } from '../core/time.js';
import { icon } from '../parts/icons.js';
import { isOver } from './words.js';

const PAGE = 100; // as many as the gateway gives at once
// A build has some 25; one whose pipeline posts thousands shows the newest, and its page stays quick.
const STEPS_MAX = 300;
const LATER_STEPS = { pending: 'clock', queued: 'clock', in_progress: 'check', success: 'check', failure: 'cross', cancelled: 'skipped' };
const TONES = { pending: 'none', queued: 'none', in_progress: 'good', success: 'good', failure: 'bad', cancelled: 'none' };
const WORDS = { pending: 'Pending', queued: 'Queued', in_progress: 'Running', success: 'Success', failure: 'Failed', cancelled: 'Cancelled' };

export class History {
  #path;
  #signal;
  #first = 0; // how many steps before those that are shown
  #states = [];
  #last = Promise.resolve();

  /** `path` is that of the build's API (`/api/v1/builds/<uid>`). */
  constructor(path, signal) {
    this.#path = `${path}/states`;
    this.#signal = signal;
    this.element = h('div', { class: 'build-history' });
  }

  /** Read what came since the last time, and show it as the history of `build`; one reading after the other. Throws ApiError. */
  read(build) {
    this.#last = this.#last.catch(() => {}).then(async () => {
      await this.#readNew();
      fill(this.element, this.#draw(build));
    });
    return this.#last;
  }

  async #readNew() {
    let offset = Math.max(0, this.#first + this.#states.length - 1); // the last one gets its length with the one after it
    while (offset !== null) {
      const page = await api.get(this.#path, { query: { limit: PAGE, offset }, signal: this.#signal });
      const first = Math.max(0, page.total - STEPS_MAX);
      if (first > offset + page.items.length) {
        this.#states = [];
        this.#first = offset = first;
      } else {
        this.#states.splice(offset - this.#first, Infinity, ...page.items);
        offset = page.next_offset;
      }
    }
    const surplus = Math.max(0, this.#states.length - STEPS_MAX);
    this.#states.splice(0, surplus);
    this.#first += surplus;
  }

  #draw(build) {
    if (this.#states.length === 0) return h('p', { class: 'muted' }, 'Nothing was said of it yet.');
    const last = this.#states.at(-1);
    return [
      this.#first > 0 && h('p', { class: 'muted earlier' }, `${this.#first.toLocaleString()} earlier steps are not shown.`),
      h('ol', { class: 'timeline' }, this.#states.map((state) => step(state, state === last && !isOver(build)))),
    ];
  }
}

/** One step; `isNow` while the build stands there. */
function step(state, isNow) {
  const runs = isNow && state.status === 'in_progress';
  const tone = runs ? 'run' : isNow ? 'wait' : TONES[state.status];
  return h(
    'li', { class: ['step', `tone-${tone}`, isNow && 'now'], 'aria-current': isNow ? 'step' : null },
    h('span', { class: 'step-mark' }, icon(runs ? 'running' : LATER_STEPS[state.status] ?? 'skipped')),
    h('div', { class: 'step-line' },
      h('span', { class: 'step-code number' }, `${state.state_code} %`),
      h('strong', {}, state.stage ?? WORDS[state.status] ?? state.status),
      // That it ran is what a step's place says; only the present one says that it does.
      state.stage && (isNow || state.status !== 'in_progress') && h('span', { class: 'step-status' }, WORDS[state.status] ?? state.status),
      h('span', { class: 'step-took number' }, isNow ? elapsed(state.created_at, null) : state.duration_s === null ? null : duration(state.duration_s))),
    state.message && h('p', { class: 'step-message' }, state.message),
    h('p', { class: 'step-who muted' }, `${state.actor} · `, ago(state.created_at)),
  );
}
