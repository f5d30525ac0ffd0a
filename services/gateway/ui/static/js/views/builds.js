/** All builds, whoever runs them, newest first and live. */

import { api } from '../core/api.js';
import { listen } from '../core/events.js';
import { h } from '../core/html.js';
import { ago, elapsed } from '../core/time.js';
import { EXECUTOR_CHOICES, executorOf, imageOf, isAbout, isOver, nameOf, stageOf } from '../build/words.js';
import { filterBar } from '../parts/filters.js';
import { icon } from '../parts/icons.js';
import { empty } from '../parts/notices.js';
import { commit, head } from '../parts/page.js';
import { Paged } from '../parts/paged.js';
import { row, rowLink, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';

const STATUSES = [
  ['', 'All'], ['pending', 'Pending'], ['queued', 'Queued'], ['in_progress', 'Running'], ['success', 'Success'], ['failure', 'Failed'], ['cancelled', 'Cancelled'],
];
// Filters that links set; they show only while they are.
const RARE = [['os_version', 'OS version'], ['config_id', 'Configuration'], ['since', 'Since'], ['until', 'Until']];
const FILTERS = ['status', 'executor', 'repository', 'branch', 'platform', 'image_type', ...RARE.map(([name]) => name)];

export default async function builds({ query, signal, title }) {
  title('Builds');
  const list = new Paged({
    at: '/ui/builds', filters: FILTERS, query, signal, nothing, noun: ['build', 'builds'],
    load: (asked) => api.get('/api/v1/builds', { query: asked, signal }),
    rows: new Rows({ label: 'Builds', keyOf: (one) => one.uid, render }),
  });
  const changed = (event) => isAbout(event) && list.readSoon();
  listen({ status: changed, end: changed, build: changed, reset: list.readSoon }, signal);
  await list.read();
  return h(
    'div', {},
    head('Builds', { actions: [list.count] }),
    filterBar({
      label: 'Filter the builds', filter: list.filter, change: list.change, signal,
      fields: [
        { name: 'status', label: 'Status', segments: STATUSES },
        { name: 'repository', label: 'Repository', placeholder: 'owner/name', isFirst: true },
        { name: 'branch', label: 'Branch', placeholder: 'any' },
        { name: 'platform', label: 'Platform', placeholder: 'any' },
        { name: 'image_type', label: 'Image type', placeholder: 'any' },
        { name: 'executor', label: 'Run by', options: EXECUTOR_CHOICES },
        ...RARE.filter(([name]) => list.filter[name]).map(([name, label]) => ({ name, label })),
      ],
    }),
    list.elements,
  );
}

function nothing(filter) {
  if (Object.values(filter).some(Boolean)) {
    return empty('No build fits this filter.', h('p', {}, h('a', { href: '/ui/builds' }, 'Show all builds')));
  }
  return empty(
    'Nothing was built yet.',
    h('p', {}, 'A push to a ', h('a', { href: '/ui/repositories' }, 'connected repository'), ' builds it; an image is built from a ',
      h('a', { href: '/ui/configurations' }, 'configuration'), '; and a pipeline of yours may report what it builds elsewhere.'),
  );
}

function render(build) {
  const image = imageOf(build);
  const name = nameOf(build);
  return row({
    lead: badge(build.status),
    title: rowLink(`/ui/builds/${encodeURIComponent(build.uid)}`, name),
    facts: [
      build.tag ?? build.branch ? [icon('branch'), build.tag ?? build.branch] : null,
      build.commit_sha && commit(build.commit_sha),
      image !== name && image,
      `by ${executorOf(build)}`,
      build.status === 'in_progress' && build.stage && stageOf(build),
      ...build.channels.map((channel) => h('span', { class: 'chip' }, channel)),
      build.error && h('span', { class: 'bad' }, build.error.message),
    ],
    aside: [
      !isOver(build) && h('progress', { max: 100, value: build.state_code, 'aria-label': 'Progress' }),
      build.started_at && elapsed(build.started_at, build.finished_at),
      ago(build.finished_at ?? build.started_at ?? build.created_at),
    ],
  });
}
