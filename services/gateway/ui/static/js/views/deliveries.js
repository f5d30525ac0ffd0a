/** What forges sent: accepted, ignored or refused, and why. */

import { address, api } from '../core/api.js';
import { listen } from '../core/events.js';
import { fill, h } from '../core/html.js';
import { ago } from '../core/time.js';
import { filterBar } from '../parts/filters.js';
import { complain, empty } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { pages, row, rowLink, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';

const PAGE = 50;
const FILTERS = ['verdict', 'repository', 'forge', 'since', 'until'];
const VERDICTS = [['', 'All'], ['accepted', 'Accepted'], ['ignored', 'Ignored'], ['refused', 'Refused']];
const FORGES = [['', 'Any'], ['gitea', 'Gitea'], ['forgejo', 'Forgejo'], ['github', 'GitHub'], ['gitlab', 'GitLab']];
const LATER_MS = 1000; // a push of many commits is one delivery; a busy forge need not make us read for each

export default async function deliveries({ query, signal, title }) {
  title('Deliveries');
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']));
  const rows = new Rows({ label: 'Deliveries', keyOf: (one) => one.id, render });
  const place = h('div');
  const foot = h('div');
  const count = h('p', { class: 'muted number', role: 'status' });
  let offset = Number(query.get('offset')) || 0;
  let later = null;

  async function read() {
    const page = await api.get('/api/v1/deliveries', { query: { ...filter, limit: PAGE, offset }, signal });
    rows.set(page.items);
    fill(count, page.total === 1 ? '1 delivery' : `${page.total.toLocaleString()} deliveries`);
    fill(place, rows.size > 0 ? rows.element : nothing(filter));
    fill(foot, pages(page, (to) => address('/ui/deliveries', { ...filter, offset: to })));
  }

  const readSoon = () => {
    later ??= setTimeout(() => {
      later = null;
      read().catch(complain);
    }, LATER_MS);
  };
  signal.addEventListener('abort', () => clearTimeout(later));
  // An accepted delivery makes a job, and the job's first status is an event; the others show at the next reading.
  listen({ status: (job) => job.status === 'pending' && offset === 0 && readSoon(), reset: readSoon }, signal);
  await read();
  const change = () => {
    offset = 0;
    return read();
  };
  return h(
    'div', {},
    head('Deliveries', { actions: [count] }),
    filterBar({
      label: 'Filter the deliveries', filter, change, signal,
      fields: [
        { name: 'verdict', label: 'Verdict', segments: VERDICTS },
        { name: 'repository', label: 'Repository', placeholder: 'owner/name', isFirst: true },
        { name: 'forge', label: 'Forge', options: FORGES },
        { name: 'since', label: 'Since', type: 'date' },
      ],
    }),
    place, foot,
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
