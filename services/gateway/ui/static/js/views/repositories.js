/** The registered repositories. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { ago } from '../core/time.js';
import { icon } from '../parts/icons.js';
import { empty } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { pages, row, rowLink, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';

const PAGE = 50;

export default async function repositories({ query, signal, title }) {
  title('Repositories');
  const offset = Number(query.get('offset')) || 0;
  const page = await api.get('/api/v1/repositories', { query: { limit: PAGE, offset }, signal });
  const rows = new Rows({ label: 'Repositories', keyOf: (one) => one.uid, render });
  rows.set(page.items);
  return h(
    'div', {},
    head('Repositories', { actions: [h('a', { class: 'button primary', href: '/ui/repositories/new' }, icon('plus'), 'Connect a repository')] }),
    rows.size > 0 ? rows.element : nothing(),
    pages(page, (to) => `/ui/repositories?offset=${to}`),
  );
}

function nothing() {
  return empty(
    'No repository is connected.',
    h('p', {}, 'Connect one, paste its webhook address in the forge’s settings, and every push builds it as its ', h('code', {}, '.slipway.yml'), ' says.'),
    h('p', {}, h('a', { class: 'button primary', href: '/ui/repositories/new' }, 'Connect a repository')),
  );
}

function render(one) {
  return row({
    lead: badge(one.active ? 'active' : 'inactive'),
    title: rowLink(`/ui/repositories/${one.uid}`, one.full_name),
    facts: [
      one.forge,
      `runs on ${one.executor}`,
      one.auto_registered && 'registered by its webhook',
      one.webhook.secrets.length === 0 && 'no webhook secret',
      one.problem && h('span', { class: 'bad' }, one.problem),
    ],
    aside: [ago(one.updated_at)],
    actions: [h('a', { class: 'button small', href: `/ui/jobs?repo=${encodeURIComponent(one.full_name)}` }, 'Jobs')],
  });
}
