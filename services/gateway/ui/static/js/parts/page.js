/** The head of a view: its heading, what can be done, and where it belongs. */

import { h } from '../core/html.js';
import { icon } from './icons.js';

/** A view's head; `up` is [address, text] of the list it belongs to, `actions` are buttons and links. */
export function head(title, { up = null, actions = [], below = null } = {}) {
  return h(
    'header', { class: 'head' },
    up && h('a', { class: 'up', href: up[0] }, icon('next'), up[1]),
    h('div', { class: 'head-line' },
      h('h1', { tabindex: '-1' }, title),
      h('div', { class: 'head-actions' }, actions.filter(Boolean))),
    below,
  );
}

/** A titled part of a view. */
export function section(title, ...content) {
  return h('section', { class: 'panel' }, h('h2', {}, title), ...content);
}

/** Names and values, as [name, node or text]; gaps and null values are left out. */
export function facts(pairs) {
  const given = pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined);
  return h('dl', { class: 'facts' }, given.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

/** The first characters of a commit id, with the whole in the title. */
export function commit(sha) {
  return h('code', { title: sha }, sha.slice(0, 8));
}
