/**
 * Shows the rows of a layout that are on the screen, however many there are.
 *
 * The rows stand in one block that is moved to its place, so they may differ in height; heights that were only guessed
 * are measured as soon as a row is drawn, and what the reader looks at stays where it is. Nothing here knows logs.
 */

import { h } from '../core/html.js';

const BEYOND_PX = 400; // drawn above and below the screen, so that a turn of the wheel finds rows
const END_PX = 4; // browsers scroll to fractions of pixels

export class Scroller {
  #draw;
  #moved;
  #measured;
  #resizing;
  #layout = null;
  #heights = null;
  #drawn = new Map(); // elements by line
  #stale = new Set(); // lines whose element shows what was
  #frame = 0;
  #sizer;
  #block;
  #height = 0;
  #top = 0;

  /**
   * `draw(n)` makes the element of a line; `moved({isUp, isAtEnd})` is told when somebody scrolls; `sized()` when the pane
   * has another size; `measured()` when heights in the Map that `show` got were corrected.
   */
  constructor(pane, { draw, moved, sized, measured }) {
    this.pane = pane;
    this.#draw = draw;
    this.#moved = moved;
    this.#measured = measured;
    this.#block = h('div', { class: 'log-rows' });
    this.#sizer = h('div', { class: 'log-sizer' }, this.#block);
    pane.append(this.#sizer);
    pane.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.#resizing = new ResizeObserver(() => {
      this.#height = pane.clientHeight;
      sized();
      this.#ask();
    });
    this.#resizing.observe(pane);
  }

  /** Stop looking at the pane. */
  close() {
    this.#resizing.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  /**
   * Show another layout. `heights` is the Map from which it has the heights of lines, null when all are the same. What
   * stands at the top of the screen stays there; with `toEnd` the end is shown instead.
   */
  show(layout, heights, { toEnd }) {
    const anchor = this.#layout === null || toEnd ? null : this.#anchor();
    this.#layout = layout;
    this.#heights = heights;
    this.#sizer.style.height = `${layout.total}px`;
    if (toEnd) this.#scrollTo(layout.total);
    else if (anchor !== null) this.#scrollTo(layout.offset(layout.row(anchor.n)) + anchor.into);
    this.#ask();
  }

  /** Draw these lines anew: something about them changed. */
  refresh(first = 1, last = Infinity) {
    for (const n of this.#drawn.keys()) if (n >= first && n <= last) this.#stale.add(n);
    this.#ask();
  }

  /** Bring a line to the middle of the screen unless it can be seen already; `always` moves it anyhow. */
  reveal(n, { always = false } = {}) {
    if (this.#layout === null) return;
    const row = this.#layout.row(n);
    const offset = this.#layout.offset(row);
    const above = offset < this.#top;
    const below = this.#layout.offset(row + 1) > this.#top + this.#height;
    if (!always && !above && !below) return;
    this.#scrollTo(offset - this.#height / 3);
    this.#ask();
  }

  /** Show the end. */
  toEnd() {
    if (this.#layout === null) return;
    this.#scrollTo(this.#layout.total);
    this.#ask();
  }

  /** The first line on the screen; 1 when there are none. */
  get topLine() {
    return this.#layout === null || this.#layout.rows === 0 ? 1 : this.#layout.line(this.#layout.rowAt(this.#top));
  }

  get isAtEnd() {
    return this.#layout === null || this.#top + this.#height >= this.#layout.total - END_PX;
  }

  #anchor() {
    if (this.#layout.rows === 0) return null;
    const row = this.#layout.rowAt(this.#top);
    return { n: this.#layout.line(row), into: this.#top - this.#layout.offset(row) };
  }

  #scrollTo(top) {
    this.pane.scrollTop = top;
    this.#top = this.pane.scrollTop; // within bounds; our own scrolling is not news when its event comes
  }

  #scrolled() {
    const top = this.pane.scrollTop;
    if (Math.abs(top - this.#top) < 1) return;
    const isUp = top < this.#top;
    this.#top = top;
    this.#moved({ isUp, isAtEnd: this.isAtEnd });
    this.#ask();
  }

  #ask() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.paint());
  }

  /** Draw now what would be drawn in the next frame. */
  paint() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const layout = this.#layout;
    if (layout === null) return;
    if (layout.rows === 0) {
      this.#block.replaceChildren();
      this.#drawn.clear();
      return;
    }
    const first = layout.rowAt(this.#top - BEYOND_PX);
    const last = layout.rowAt(this.#top + this.#height + BEYOND_PX);
    this.#place(first, last);
    this.#block.style.transform = `translateY(${layout.offset(first)}px)`;
    if (this.#heights !== null) this.#measure(layout);
  }

  /** Make the block hold exactly these rows, keeping the elements that are still right. */
  #place(first, last) {
    const wanted = new Map();
    for (let row = first; row <= last; row += 1) {
      const n = this.#layout.line(row);
      const old = this.#drawn.get(n);
      wanted.set(n, old === undefined || this.#stale.has(n) ? this.#redrawn(n, old) : old);
    }
    this.#stale.clear();
    for (const [n, element] of this.#drawn) if (wanted.get(n) !== element) element.remove();
    let before = this.#block.firstChild;
    for (const element of wanted.values()) {
      if (element === before) before = before.nextSibling;
      else this.#block.insertBefore(element, before);
    }
    this.#drawn = wanted;
  }

  #redrawn(n, old) {
    const made = this.#draw(n);
    if (old === undefined) return made;
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(made);
    if (hadFocus) made.querySelector('button')?.focus({ preventScroll: true });
    return made;
  }

  #measure(layout) {
    let isWrong = false;
    for (const [n, element] of this.#drawn) {
      const height = element.getBoundingClientRect().height;
      const row = layout.row(n);
      if (Math.abs(height - (layout.offset(row + 1) - layout.offset(row))) < 0.5) continue;
      this.#heights.set(n, height);
      isWrong = true;
    }
    if (isWrong) this.#measured();
  }
}
