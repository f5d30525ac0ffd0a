/** Lists of rows: one line each on a wide screen, stacked on a narrow one, kept up to date without losing the place. */

import { h } from '../core/html.js';

/**
 * A row: `lead` (a badge), `title` (a link or text), `facts` below it, `aside` at the end (times), `actions` (buttons)
 * behind it, or below on a narrow screen. Gaps are left out.
 */
export function row({ lead, title, facts = [], aside = [], actions = [] }) {
  const buttons = actions.filter(Boolean);
  return h(
    'li', { class: 'row' },
    h('div', { class: 'row-lead' }, lead),
    h('div', { class: 'row-main' },
      h('div', { class: 'row-title' }, title),
      h('div', { class: 'row-facts' }, facts.filter(Boolean).map((one) => h('span', { class: 'fact' }, one)))),
    h('div', { class: 'row-aside' }, aside.filter(Boolean)),
    buttons.length > 0 && h('div', { class: 'row-actions' }, buttons),
  );
}

/** A link that j and k go through. */
export function rowLink(href, ...text) {
  return h('a', { href, class: 'row-link', dataset: { focus: 'link' } }, ...text);
}

/**
 * Rows by key. `keyOf(item)` is a row's key, `render(item)` makes its element, `before(a, b)` is true when a stands
 * above b. A row that is drawn anew keeps the focus where it was in it (elements with `data-focus`).
 */
export class Rows {
  constructor({ label, keyOf, render, before = () => false }) {
    this.element = h('ul', { class: 'rows', 'aria-label': label });
    this._keyOf = keyOf;
    this._render = render;
    this._before = before;
    this._items = new Map();
  }

  get size() {
    return this._items.size;
  }

  /** The item of a key, or undefined. */
  get(key) {
    return this._items.get(String(key))?.item;
  }

  /** Show exactly these, in this order; rows whose item did not change are not touched. */
  set(items) {
    const keys = new Set(items.map((item) => String(this._keyOf(item))));
    for (const key of [...this._items.keys()]) if (!keys.has(key)) this.remove(key);
    let next = this.element.firstElementChild;
    for (const item of items) {
      const stood = this._items.get(String(this._keyOf(item)))?.element;
      const element = this._draw(item);
      if (stood !== undefined && stood === next) next = element.nextElementSibling;
      else this.element.insertBefore(element, next);
    }
  }

  /** Show one: where it stands already, else above the first that it is before. */
  upsert(item) {
    const element = this._draw(item);
    if (element.parentNode === this.element) return;
    const follower = [...this.element.children].find((child) => this._before(item, this.get(child.dataset.key)));
    this.element.insertBefore(element, follower ?? null);
  }

  remove(key) {
    this._items.get(String(key))?.element.remove();
    this._items.delete(String(key));
  }

  /** The item of the last row, or undefined. */
  get last() {
    const element = this.element.lastElementChild;
    return element ? this.get(element.dataset.key) : undefined;
  }

  /** Leave at most so many, from the top; tells whether some went. */
  trim(count) {
    const surplus = [...this.element.children].slice(count);
    for (const element of surplus) this.remove(element.dataset.key);
    return surplus.length > 0;
  }

  _draw(item) {
    const key = String(this._keyOf(item));
    const text = JSON.stringify(item);
    const old = this._items.get(key);
    if (old?.text === text) return old.element;
    const element = this._render(item);
    element.dataset.key = key;
    if (old) {
      const focus = old.element.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
      old.element.replaceWith(element);
      if (focus) element.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    }
    this._items.set(key, { item, text, element });
    return element;
  }
}

/** Go to the next (1) or previous (-1) row's link; answers false when there is none. */
export function step(direction) {
  const links = [...document.querySelectorAll('main .row-link')];
  if (links.length === 0) return false;
  const here = document.activeElement?.closest?.('.row');
  const index = links.findIndex((link) => link.closest('.row') === here);
  const next = index < 0 ? (direction > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, index + direction));
  links[next].focus();
  links[next].closest('.row').scrollIntoView({ block: 'nearest' });
  return true;
}

/** Links to the part of an /api/v1 list before and after this one; null when it is the only one. */
export function pages({ total, limit, offset, next_offset: next }, href) {
  if (offset === 0 && next === null) return null;
  return h(
    'nav', { class: 'pages', 'aria-label': 'Pages' },
    offset > 0 ? h('a', { class: 'button', href: href(Math.max(0, offset - limit)) }, 'Newer') : h('span', { class: 'button', 'aria-disabled': 'true' }, 'Newer'),
    h('span', { class: 'muted number' }, `${offset + 1}–${Math.min(offset + limit, total)} of ${total}`),
    next !== null ? h('a', { class: 'button', href: href(next) }, 'Older') : h('span', { class: 'button', 'aria-disabled': 'true' }, 'Older'),
  );
}
