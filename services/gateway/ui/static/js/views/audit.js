/** Who did what to what, for administrators. */

import { address, api } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { ago } from '../core/time.js';
import { filterBar } from '../parts/filters.js';
import { empty } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { pages, row, Rows } from '../parts/rows.js';

const PAGE = 50;
const FILTERS = ['actor', 'action', 'subject', 'since', 'until'];

export default async function audit({ query, signal, title }) {
  title('Audit log');
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']));
  const rows = new Rows({ label: 'Audit log', keyOf: (entry) => entry.id, render });
  const place = h('div');
  const foot = h('div');
  const download = h('a', { class: 'button', download: 'slipway-audit.jsonl' }, 'Export as JSON lines');
  let offset = Number(query.get('offset')) || 0;

  async function read() {
    const page = await api.get('/api/v1/audit', { query: { ...filter, limit: PAGE, offset }, signal });
    rows.set(page.items);
    download.href = address('/api/v1/audit/export', filter);
    fill(place, rows.size > 0 ? rows.element : empty('Nothing that fits was done.'));
    fill(foot, pages(page, (to) => address('/ui/audit', { ...filter, offset: to })));
  }

  await read();
  const change = () => {
    offset = 0;
    return read();
  };
  return h(
    'div', {},
    head('Audit log', { actions: [download] }),
    filterBar({
      label: 'Filter the audit log', filter, change, signal,
      fields: [
        { name: 'actor', label: 'Who', placeholder: 'name or key', isFirst: true },
        { name: 'action', label: 'Did what', placeholder: 'api_key.created or job.' },
        { name: 'subject', label: 'To what', placeholder: 'repository:…' },
        { name: 'since', label: 'Since', type: 'date' },
      ],
    }),
    place, foot,
  );
}

function render(entry) {
  const { actor, subject } = entry;
  return row({
    lead: ago(entry.at),
    title: [actor.name, ' ', h('span', { class: 'plain' }, entry.action)],
    facts: [
      `${subject.type} ${subject.id}`,
      actor.address && `from ${actor.address}`,
      actor.key_id && ['with key ', h('code', {}, actor.key_id)],
      entry.details && h('details', {}, h('summary', {}, 'Details'), h('pre', { class: 'block', tabindex: '0' }, JSON.stringify(entry.details, null, 2))),
    ],
  });
}
