/**
 * The log of one job on the screen: rows, folding, following, links to lines, search, times and wrapping.
 *
 * `Lines` holds what came, `outline` finds the steps in it, `Folding` says which are open, `Layout` where each row is,
 * `Scroller` draws what can be seen. Whatever changes asks for one `#update` in the next frame.
 */

import { h } from '../core/html.js';
import { duration, elapsed } from '../core/time.js';
import { extendAnchor, formatAnchor } from './anchor.js';
import { Folding } from './folding.js';
import { Layout, visibleRuns } from './layout.js';
import { Lines } from './lines.js';
import { outline, sectionOf } from './outline.js';
import { lineRow } from './row.js';
import { Scroller } from './scroller.js';
import { Search } from './search.js';
import { clock, since } from './times.js';

const NUMBER_COLUMNS_PX = 76; // the gutter and the margins of css/log.css, as far as a guess needs them

/** How rows look; kept from job to job for as long as the tab lives. */
const looks = { wraps: true, times: 'off' };
const NEXT_TIMES = { off: 'clock', clock: 'since', since: 'off' };

export class LogView {
  #status;
  #frame = 0;
  #folding = new Folding();
  #folded = new Set();
  #heights = new Map();
  #rowHeight = 20;
  #columns = 100;
  #layout = null;
  #scroller;
  #ruler;
  #origin = 0; // where a range of chosen lines was begun
  #hit = 0;
  #seeks = false; // nothing was gone to yet since the search began
  #tell;
  #seenLast = 0;
  #linked = null; // the line that the address named, until it is here
  #revealNext = 0; // the line to bring on the screen with the next update
  #stepsMayDiffer = true;

  /**
   * `range` is what the address names (null: nothing). `tell(what)` is called after each change: `steps` when sections
   * may be other ones, `view` for everything else.
   */
  constructor(jobStatus, range, tell, signal) {
    this.#status = jobStatus;
    this.#tell = tell;
    this.lines = new Lines();
    this.sections = [];
    this.range = range;
    this.follows = range === null;
    this.search = new Search(this.lines, () => this.#searched());
    this.#ruler = h('span', { class: 'log-ruler', 'aria-hidden': 'true' }, '0');
    this.pane = h('div', { class: 'log-pane', role: 'region', 'aria-label': 'Log', tabindex: '0' }, this.#ruler);
    this.pane.addEventListener('click', (event) => this.#clicked(event));
    this.#scroller = new Scroller(this.pane, {
      draw: (n) => this.#draw(n),
      moved: ({ isUp, isAtEnd }) => this.#moved(isUp, isAtEnd),
      sized: () => this.#sized(),
      measured: () => this.#changed('view'),
    });
    if (range !== null) {
      this.#origin = this.#linked = range.first;
      this.#folding.uncover(range.first, []);
    }
    this.#dress();
    signal.addEventListener('abort', () => {
      cancelAnimationFrame(this.#frame);
      this.#scroller.close();
    });
  }

  /** Lines came (feed.js). */
  added(first, last) {
    this.search.add(first, last);
    this.#scroller.refresh(first, last);
    this.#changed('steps');
    const isLinked = this.#linked !== null && first <= this.#linked && this.#linked <= last;
    if (!isLinked) return;
    this.#revealNext = this.#linked; // from then on it keeps its place by itself
    this.#linked = null;
  }

  /** The log begins anew (feed.js). */
  reset() {
    this.search.clear();
    this.#folding.clear();
    this.#heights.clear();
    this.#scroller.refresh();
    this.#changed('steps');
  }

  set jobStatus(status) {
    if (status === this.#status) return;
    this.#status = status;
    this.#scroller.refresh();
    this.#changed('steps');
  }

  // --- what people do ---------------------------------------------------------------------------------------------

  /** Show the end and stay there, or stop staying. */
  follow(follows = !this.follows) {
    this.follows = follows;
    if (follows) this.#scroller.toEnd();
    this.#changed('view');
  }

  /** How many lines came since the reader left the end; 0 while they are there. */
  get news() {
    return this.follows ? 0 : Math.max(0, this.lines.last - this.#seenLast);
  }

  get wraps() {
    return looks.wraps;
  }

  /** `off`, `clock` (time of day) or `since` (the beginning of the log). */
  get times() {
    return looks.times;
  }

  toggleWrap() {
    looks.wraps = !looks.wraps;
    this.#dress();
  }

  turnTimes() {
    looks.times = NEXT_TIMES[looks.times];
    this.#dress();
  }

  /** Go to the next hit of the search (or the one before). */
  toHit(backwards = false) {
    const from = this.#hit || (backwards ? this.#scroller.topLine + 1 : this.#scroller.topLine - 1);
    const n = this.search.next(from, backwards);
    if (n === null) return;
    this.#hit = n;
    this.#goTo(n);
  }

  /** Look for something; goes to the first hit at or below what is on the screen as soon as it is found. */
  find(query) {
    this.#hit = 0;
    this.#seeks = query !== '';
    this.search.start(query);
    this.#scroller.refresh();
  }

  /** The place of the hit that was gone to, from 1; 0 for none. */
  get hitPlace() {
    return this.#hit === 0 ? 0 : this.search.place(this.#hit);
  }

  /** Go to the next step (1) or the one before (-1), and put the focus on its head. */
  toStep(direction) {
    const heads = this.sections.filter((section) => section.depth === 0).map((section) => section.n);
    const focused = Number(document.activeElement?.closest?.('.log-row')?.dataset.n ?? 0);
    const here = focused || this.#scroller.topLine;
    const n = direction > 0 ? heads.find((head) => head > here) : heads.findLast((head) => head < here);
    if (n !== undefined) this.focusHead(n);
  }

  /** Show a section's head and put the focus on it. */
  focusHead(n) {
    this.follows = false;
    this.#update();
    this.#scroller.reveal(n, { always: true });
    this.#scroller.paint();
    this.pane.querySelector(`[data-n="${n}"] .log-head`)?.focus({ preventScroll: true });
    this.#changed('view');
  }

  /** Choose lines, or none: they are marked, and the address names them. */
  choose(range) {
    this.range = range;
    history.replaceState(history.state, '', location.pathname + location.search + formatAnchor(range));
    this.#scroller.refresh();
    this.#changed('view');
  }

  /** The chosen lines, else the first one on the screen. */
  get place() {
    const top = this.#scroller.topLine;
    return this.range ?? { first: top, last: top };
  }

  foldAll(isFolded) {
    this.#folding.chooseAll(this.sections, isFolded);
    this.#changed('view');
  }

  #clicked(event) {
    const row = event.target.closest('.log-row');
    if (row === null) return;
    const n = Number(row.dataset.n);
    if (event.target.closest('.log-n') !== null) {
      if (event.ctrlKey || event.metaKey || event.button !== 0) return;
      event.preventDefault();
      if (event.shiftKey) getSelection()?.removeAllRanges(); // Shift also marks text
      const range = event.shiftKey ? extendAnchor(this.range, this.#origin, n) : { first: n, last: n };
      if (!event.shiftKey || this.range === null) this.#origin = n;
      this.follows = false;
      this.choose(range);
    } else if (event.target.closest('.log-head') !== null) {
      const section = this.sections.find((one) => one.n === n);
      if (section === undefined) return;
      this.#folding.choose(section, !this.#folded.has(n));
      if (!this.#scroller.isAtEnd) this.follows = false;
      this.#scroller.refresh(n, n);
      this.#changed('view');
    }
  }

  #searched() {
    const top = this.#scroller.topLine;
    if (this.#seeks && (this.search.next(top - 1) >= top || !this.search.isBusy)) {
      this.#seeks = false;
      this.toHit();
    }
    this.#changed('view');
  }

  #goTo(n) {
    this.follows = false;
    this.#folding.uncover(n, this.sections);
    this.#scroller.refresh();
    this.#update();
    this.#scroller.reveal(n);
    this.#changed('view');
  }

  #moved(isUp, isAtEnd) {
    if (isAtEnd === this.follows) return;
    if (isAtEnd) this.follows = true;
    else if (isUp) this.follows = false;
    this.#changed('view');
  }

  // --- drawing ----------------------------------------------------------------------------------------------------

  #changed(what) {
    if (what === 'steps') this.#stepsMayDiffer = true;
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#update());
  }

  #update() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const stepsMayDiffer = this.#stepsMayDiffer;
    this.#stepsMayDiffer = false;
    if (stepsMayDiffer) this.#outline();
    const folded = this.#folding.folded(this.sections, this.#status);
    for (const n of folded) if (!this.#folded.has(n)) this.#scroller.refresh(n, n);
    for (const n of this.#folded) if (!folded.has(n)) this.#scroller.refresh(n, n);
    this.#folded = folded;
    const ends = this.lines.marks.filter((mark) => mark.type === 'ends').map((mark) => mark.n);
    const runs = visibleRuns(this.lines.last, this.sections, folded, ends);
    const heights = looks.wraps ? this.#heights : null;
    this.#layout = new Layout(runs, this.#rowHeight, heights && ((n) => this.#heightOf(n)));
    this.#scroller.show(this.#layout, heights, { toEnd: this.follows });
    if (this.#revealNext !== 0) this.#scroller.reveal(this.#revealNext, { always: true });
    this.#revealNext = 0;
    if (this.follows) this.#seenLast = this.lines.last;
    this.#tell(stepsMayDiffer ? 'steps' : 'view');
  }

  /** Find the steps anew, and draw the heads of those that changed. */
  #outline() {
    const before = new Map(this.sections.map((section) => [section.n, section]));
    this.sections = outline(this.lines, this.#status);
    for (const section of this.sections) {
      const old = before.get(section.n);
      if (old === undefined) this.#scroller.refresh(section.n, section.last);
      else if (old.state !== section.state || old.isOver !== section.isOver) this.#scroller.refresh(section.n, section.n);
    }
  }

  #draw(n) {
    const line = this.lines.get(n);
    const section = this.sections.find((one) => one.n === n) ?? null;
    const inner = sectionOf(this.sections, n);
    return lineRow(n, line, section, {
      time: (one) => this.#timeOf(one),
      find: this.search.find,
      isChosen: this.range !== null && n >= this.range.first && n <= this.range.last,
      isHit: n === this.#hit,
      isFolded: this.#folded.has(n),
      depth: inner === null ? 0 : inner.depth + (inner.n === n ? 0 : 1),
      took: section === null ? null : tookOf(section),
    });
  }

  #timeOf(line) {
    if (looks.times === 'off') return null;
    if (Number.isNaN(line.time)) return '';
    if (looks.times === 'clock') return clock(line.time);
    return Number.isNaN(this.lines.beginning) ? '' : since(line.time, this.lines.beginning);
  }

  #heightOf(n) {
    return this.#heights.get(n) ?? Math.max(1, Math.ceil(this.lines.width(n) / this.#columns)) * this.#rowHeight;
  }

  /** Rows look different: classes for the style sheet, and every height is only a guess again. */
  #dress() {
    this.pane.classList.toggle('wraps', looks.wraps);
    this.pane.dataset.times = looks.times;
    this.#sized();
    this.#scroller.refresh();
  }

  #sized() {
    const letter = this.#ruler.getBoundingClientRect();
    if (letter.height > 0) {
      const gutter = NUMBER_COLUMNS_PX + (looks.times === 'off' ? 0 : 13 * letter.width);
      this.#rowHeight = letter.height;
      this.#columns = Math.max(10, Math.floor((this.pane.clientWidth - gutter) / letter.width));
    }
    this.#heights.clear();
    this.#changed('view');
  }
}

function tookOf(section) {
  if (section.state === 'running') return elapsed(new Date(section.started).toISOString(), null);
  return section.isOver && !Number.isNaN(section.ended) ? duration((section.ended - section.started) / 1000) : null;
}
