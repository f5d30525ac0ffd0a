/** The versions of a configuration: who saved what, what changed, and the way back to one. */

import { api } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { ago } from '../core/time.js';
import { asking, button } from '../parts/buttons.js';
import { row, Rows } from '../parts/rows.js';
import { diffView } from './diff.js';

const PAGE = 20;

/**
 * Make the list: {element, read()}, where `read` is async and begins anew. `current()` is the newest version's number,
 * `rollBack(version)` async.
 */
export function versionList(path, { current, rollBack, signal }) {
  const rows = new Rows({ label: 'Versions', keyOf: (one) => one.version, render });
  const compared = h('div', { 'aria-live': 'polite' });
  const foot = h('div', { class: 'list-foot' });
  const older = button('Show older', () => show(Math.floor(rows.size / PAGE) + 1));

  async function show(page) {
    const found = await api.get(`${path}/versions`, { query: { page, page_size: PAGE }, signal });
    // What changed since depends on which is the newest, so the item says it.
    const items = found.versions.map((one) => ({ ...one, isNewest: one.version === current() }));
    if (page === 1) rows.set(items);
    else items.forEach((one) => rows.upsert(one));
    fill(foot, rows.size < found.total && older);
  }

  async function compare(from, to) {
    const found = await api.get(`${path}/diff`, { query: { from, to }, signal });
    const words = `Version ${from} to version ${to}`;
    fill(compared, h('section', { class: 'compared', 'aria-label': words },
      h('div', { class: 'head-line' }, h('h3', { tabindex: '-1' }, words),
        h('button', { type: 'button', class: 'button quiet', onclick: () => fill(compared) }, 'Close')),
      diffView(found, words)));
    compared.querySelector('h3').focus();
  }

  function render(one) {
    return row({
      lead: h('span', { class: 'number' }, `Version ${one.version}`),
      title: one.isNewest ? 'The present one' : one.name,
      facts: [`saved by ${one.actor}`, one.rolled_back_to && `went back to version ${one.rolled_back_to}`],
      aside: [ago(one.created_at)],
      actions: [
        one.version > 1 && button('What it changed', () => compare(one.version - 1, one.version), { kind: 'small', focus: 'changes' }),
        !one.isNewest && button('Against the present', () => compare(one.version, current()), { kind: 'small', focus: 'compare' }),
        !one.isNewest && asking('Go back to it', {
          question: `Save version ${one.version} again, in place of what stands above?`, yes: 'Yes, go back', kind: 'primary', focus: 'back',
          run: () => rollBack(one.version),
        }),
      ],
    });
  }

  return { element: h('div', { class: 'versions' }, compared, rows.element, foot), read: () => show(1) };
}
