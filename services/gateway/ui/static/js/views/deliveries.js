/** What forges sent: accepted, ignored or refused, and why. */

import { api } from '../core/api.js';
import { listen } from '../core/events.js';
import { h } from '../core/html.js';
import { ago } from '../core/time.js';
import { filterBar } from '../parts/filters.js';
import { empty } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { Paged } from '../parts/paged.js';
import { FORGES } from '../parts/repository_fields.js';
import { row, rowLink, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';

const FILTERS = ['verdict', 'repository', 'forge', 'since', 'until', 'job'];
const VERDICTS = [['', 'All'], ['accepted', 'Accepted'], ['ignored', 'Ignored'], ['refused', 'Refused']];

export default async function deliveries({ query, signal, title }) {
  title('Deliveries');
  const list = new Paged({
    at: '/ui/deliveries', filters: FILTERS, query, signal, nothing, noun: ['delivery', 'deliveries'],
    load: (asked) => api.get('/api/v1/deliveries', { query: asked, signal }),
    rows: new Rows({ label: 'Deliveries', keyOf: (one) => one.id, render }),
  });
  // An accepted delivery makes a job, and the job's first status is an event; the others show at the next reading.
  listen({ status: (job) => job.status === 'pending' && list.offset === 0 && list.readSoon(), reset: list.readSoon }, signal);
  await list.read();
  return h(
    'div', {},
    head('Deliveries', { actions: [list.count, h('a', { class: 'button', href: '/ui/deliveries/explain' }, 'Explain a signature')] }),
    list.filter.job && h('p', { class: 'muted' }, 'Those that made one job. ', h('a', { href: '/ui/deliveries' }, 'Show all deliveries')),
    filterBar({
      label: 'Filter the deliveries', filter: list.filter, change: list.change, signal,
      fields: [
        { name: 'verdict', label: 'Verdict', segments: VERDICTS },
        { name: 'repository', label: 'Repository', placeholder: 'owner/name', isFirst: true },
        { name: 'forge', label: 'Forge', options: [['', 'Any'], ...FORGES] },
        { name: 'since', label: 'Since', type: 'date' },
      ],
    }),
    list.elements,
  );
}

function nothing(filter) {
  if (Object.values(filter).some(Boolean)) {
    return empty('No delivery fits this filter.', h('p', {}, h('a', { href: '/ui/deliveries' }, 'Show all deliveries')));
  }
  return empty(
    'No forge has sent anything yet.',
    h('p', {}, 'Each repository has a webhook address for its forge. ', h('a', { href: '/ui/repositories' }, 'Copy it from the repository'), ', paste it in the forge’s settings, and push.'),
  );
}

function render(one) {
  return row({
    lead: badge(one.verdict),
    title: rowLink(`/ui/deliveries/${one.id}`, one.repository?.full_name ?? 'No repository', ' · ', one.event_name ?? 'unknown event'),
    facts: [
      one.forge,
      one.reason && one.verdict !== 'accepted' && one.reason,
      one.job_id && h('a', { href: `/ui/jobs/${one.job_id}` }, 'Job'),
      one.replay_of && h('span', {}, 'Replay of ', h('a', { href: `/ui/deliveries/${one.replay_of}` }, `delivery ${one.replay_of}`)),
    ],
    aside: [ago(one.received_at)],
  });
}
