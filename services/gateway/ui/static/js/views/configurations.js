/** The saved configurations: recipes of images, by name. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { ago } from '../core/time.js';
import { icon } from '../parts/icons.js';
import { empty } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { Paged } from '../parts/paged.js';
import { row, rowLink, Rows } from '../parts/rows.js';

export default async function configurations({ query, signal, title }) {
  title('Configurations');
  const list = new Paged({
    at: '/ui/configurations', filters: [], query, signal, nothing, noun: ['configuration', 'configurations'],
    load: (asked) => read(asked, signal),
    rows: new Rows({ label: 'Configurations', keyOf: (one) => one.id, render }),
  });
  await list.read();
  return h(
    'div', {},
    head('Configurations', { actions: [list.count, h('a', { class: 'button primary', href: '/ui/configurations/new' }, icon('plus'), 'New configuration')] }),
    list.elements,
  );
}

/** A part of the list; these routes count in pages. */
async function read({ limit, offset }, signal) {
  const page = Math.floor(offset / limit) + 1;
  const found = await api.get('/api/config/', { query: { page, page_size: limit }, signal });
  const next = page * limit;
  return { items: found.configs, total: found.total, limit, offset: next - limit, next_offset: next < found.total ? next : null };
}

function nothing() {
  return empty(
    'No configuration is saved yet.',
    h('p', {}, 'A configuration is a recipe, in YAML, of a bootable image. Begin with one of the examples, or with your own.'),
    h('p', {}, h('a', { class: 'button primary', href: '/ui/configurations/new' }, 'New configuration')),
  );
}

function render(one) {
  return row({
    lead: h('span', { class: 'muted number' }, `Version ${one.version}`),
    title: rowLink(`/ui/configurations/${one.id}`, one.name),
    facts: [one.description, one.image_type, `Fedora ${one.fedora_version}`, one.owner === null && 'shared by all'],
    aside: [ago(one.updated_at)],
    actions: [h('a', { class: 'button small', href: `/ui/builds?config_id=${one.id}` }, 'Builds')],
  });
}
