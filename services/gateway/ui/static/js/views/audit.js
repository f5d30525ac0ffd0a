/** Who did what to what, for administrators. */

import { address, api } from '../core/api.js';
import { h } from '../core/html.js';
import { ago } from '../core/time.js';
import { filterBar } from '../parts/filters.js';
import { empty } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { Paged } from '../parts/paged.js';
import { row, Rows } from '../parts/rows.js';

const FILTERS = ['actor', 'action', 'subject', 'since', 'until'];

export default async function audit({ query, signal, title }) {
  title('Audit log');
  const download = h('a', { class: 'button', download: 'slipway-audit.jsonl' }, 'Export as JSON lines');
  const list = new Paged({
    at: '/ui/audit', filters: FILTERS, query, signal,
    load: (asked) => api.get('/api/v1/audit', { query: asked, signal }),
    rows: new Rows({ label: 'Audit log', keyOf: (entry) => entry.id, render }),
    nothing: () => empty('Nothing that fits was done.'),
    drawn: () => (download.href = address('/api/v1/audit/export', list.filter)),
  });
  await list.read();
  return h(
    'div', {},
    head('Audit log', { actions: [download] }),
    filterBar({
      label: 'Filter the audit log', filter: list.filter, change: list.change, signal,
      fields: [
        { name: 'actor', label: 'Who', placeholder: 'name or key', isFirst: true },
        { name: 'action', label: 'Did what', placeholder: 'api_key.created or job.' },
        { name: 'subject', label: 'To what', placeholder: 'repository:…' },
        { name: 'since', label: 'Since', type: 'date' },
      ],
    }),
    list.elements,
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
