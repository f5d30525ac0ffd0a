/** All jobs, newest first and live; the filters stand in the address. */

import { api } from '../core/api.js';
import { listen } from '../core/events.js';
import { fill, h } from '../core/html.js';
import { ago, elapsed } from '../core/time.js';
import { button } from '../parts/buttons.js';
import { filterBar } from '../parts/filters.js';
import { icon } from '../parts/icons.js';
import { announce, complain, empty } from '../parts/notices.js';
import { commit, head } from '../parts/page.js';
import { row, rowLink, Rows } from '../parts/rows.js';
import { jobBadge } from '../parts/status.js';

const PAGE = 50;
const PAGE_MAX = 100; // as the gateway has it
// What a list that stays open for days may grow to: older rows go from the end.
const ROWS_MAX = 500;
const FILTERS = ['status', 'repo', 'branch', 'domain', 'kind', 'subject', 'since'];
const STATUSES = [['', 'All'], ['pending', 'Pending'], ['running', 'Running'], ['success', 'Success'], ['failed', 'Failed'], ['cancelled', 'Cancelled']];
// Filters that links set; they show only while they are.
const RARE = [['domain', 'Domain'], ['kind', 'Kind'], ['subject', 'Subject'], ['since', 'Since']];

export default async function jobs({ query, signal, title }) {
  title('Jobs');
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']));
  const rows = new Rows({ label: 'Jobs', keyOf: (job) => job.id, render, before: isNewer });
  const place = h('div', { class: 'list-place' });
  const foot = h('div', { class: 'list-foot' });
  const count = h('p', { class: 'muted number', role: 'status' });
  const limit = Math.min(PAGE_MAX, Math.max(1, Number(query.get('limit')) || PAGE));
  const names = h('datalist', { id: 'repository-names' });
  const older = button('Show older', () => read({ older: true }));
  let cursor = null; // the last row's id while older jobs are not shown, else null
  let total = 0;
  let asked = 0;
  let shown = 0;

  async function read({ older: more = false } = {}) {
    const turn = (asked += 1);
    const page = await api.get('/jobs', { query: { ...filter, limit, cursor: more ? cursor : null }, signal });
    if (turn < shown) return; // a later reading was faster
    shown = turn;
    if (more) page.jobs.forEach((job) => rows.upsert(job));
    else rows.set(page.jobs);
    cursor = page.next_cursor;
    total = page.total;
    const seen = new Set(page.jobs.map((job) => job.repo).filter(Boolean));
    for (const option of names.options) seen.delete(option.value);
    names.append(...[...seen].map((repo) => h('option', { value: repo })));
    draw();
  }

  function draw() {
    fill(count, total === 1 ? '1 job' : `${total.toLocaleString()} jobs`);
    fill(place, rows.size > 0 ? rows.element : nothing());
    fill(foot, cursor !== null && older);
  }

  function nothing() {
    if (FILTERS.some((name) => filter[name])) {
      return empty('No job fits this filter.', h('p', {}, h('a', { href: '/ui/jobs' }, 'Show all jobs')));
    }
    return empty(
      'No jobs yet.',
      h('p', {}, 'A job starts when a repository is pushed to. ', h('a', { href: '/ui/repositories/new' }, 'Connect a repository'), ', then push a commit.'),
    );
  }

  function arrived(job) {
    const known = rows.get(job.id);
    if (known && known.version > job.version) return;
    const belongs = fits(job, filter);
    if (belongs && !known && cursor !== null && !isNewer(job, rows.last)) return; // among the older ones
    if (belongs) rows.upsert(job);
    else rows.remove(job.id);
    if (rows.trim(ROWS_MAX)) cursor = rows.last.id;
    total += Number(belongs) - Number(known !== undefined);
    draw();
    if (belongs && !known) announce(`New job: ${name(job)}`);
  }

  listen({ status: arrived, end: arrived, reset: () => read().catch(complain) }, signal);
  await read();
  return h(
    'div', {},
    head('Jobs', { actions: [count] }),
    filterBar({
      label: 'Filter the jobs', filter, change: read, signal,
      fields: [
        { name: 'status', label: 'Status', segments: STATUSES },
        { name: 'repo', label: 'Repository', placeholder: 'owner/name', list: names.id, isFirst: true },
        { name: 'branch', label: 'Branch', placeholder: 'any' },
        ...RARE.filter(([name]) => filter[name]).map(([name, label]) => ({ name, label })),
      ],
    }),
    names, place, foot,
  );
}

function render(job) {
  return row({
    lead: jobBadge(job),
    title: rowLink(`/ui/jobs/${job.id}`, name(job)),
    facts: [
      job.branch && [icon('branch'), job.branch],
      job.commit && commit(job.commit),
      job.status === 'running' ? job.stage : whyItWaits(job),
      job.error && h('span', { class: 'bad' }, job.error.message),
    ],
    aside: [
      job.status === 'running' && h('progress', { max: 100, value: job.progress, 'aria-label': 'Progress' }),
      job.started_at && elapsed(job.started_at, job.finished_at),
      ago(job.finished_at ?? job.started_at ?? job.created_at),
    ],
  });
}

function whyItWaits(job) {
  if (job.status !== 'pending') return null;
  return (job.waiting_for && `waits: ${job.waiting_for}`) ?? (job.position && `no. ${job.position} in the queue`);
}

function name(job) {
  return job.repo ?? `${job.kind} ${job.subject.type} ${job.subject.id}`;
}

function isNewer(a, b) {
  return a.created_at === b.created_at ? a.id > b.id : a.created_at > b.created_at;
}

/** Tell whether the list that the gateway answers for this filter would hold the job. */
function fits(job, filter) {
  return (
    (!filter.status || job.status === filter.status) &&
    (!filter.repo || job.repo === filter.repo) &&
    (!filter.branch || job.branch === filter.branch) &&
    (!filter.domain || job.domain === filter.domain) &&
    (!filter.kind || job.kind === filter.kind) &&
    (!filter.subject || `${job.subject.type}:${job.subject.id}` === filter.subject) &&
    (!filter.since || Date.parse(job.created_at) >= Date.parse(filter.since))
  );
}
