/** All jobs, newest first and live; the filters stand in the address. */

import { api } from '../core/api.js';
import { listen } from '../core/events.js';
import { fill, h } from '../core/html.js';
import { setQuery } from '../core/router.js';
import { ago, elapsed } from '../core/time.js';
import { button } from '../parts/buttons.js';
import { field } from '../parts/forms.js';
import { icon } from '../parts/icons.js';
import { announce, complain, empty } from '../parts/notices.js';
import { commit, head } from '../parts/page.js';
import { row, rowLink, Rows } from '../parts/rows.js';
import { jobBadge } from '../parts/status.js';

const PAGE = 50;
// What a list that stays open for days may grow to: older rows go from the end.
const ROWS_MAX = 500;
const FILTERS = ['status', 'repo', 'branch', 'domain', 'kind', 'subject', 'since'];
const STATUSES = ['pending', 'running', 'success', 'failed', 'cancelled'];
const TYPING_MS = 250;

export default async function jobs({ query, signal, title }) {
  title('Jobs');
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? '']));
  const rows = new Rows({ label: 'Jobs', keyOf: (job) => job.id, render, before: isNewer });
  const place = h('div', { class: 'list-place' });
  const foot = h('div', { class: 'list-foot' });
  const count = h('p', { class: 'muted number', role: 'status' });
  let cursor = null;
  let reading = 0;

  async function read({ older = false } = {}) {
    const turn = (reading += 1);
    const page = await api.get('/jobs', { query: { ...filter, limit: PAGE, cursor: older ? cursor : null }, signal });
    if (turn !== reading) return; // the filter has changed meanwhile
    if (older) page.jobs.forEach((job) => rows.upsert(job));
    else rows.set(page.jobs);
    cursor = page.next_cursor;
    fill(count, page.total === 1 ? '1 job' : `${page.total.toLocaleString()} jobs`);
    draw();
  }

  function draw() {
    fill(place, rows.size > 0 ? rows.element : nothing());
    fill(foot, cursor !== null && button('Show older', () => read({ older: true })));
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
    if (!fits(job, filter)) {
      if (known) rows.remove(job.id);
    } else {
      rows.upsert(job);
      rows.trim(ROWS_MAX);
    }
    if (place.firstElementChild !== rows.element || rows.size === 0) draw();
    if (!known && fits(job, filter)) announce(`New job: ${name(job)}`);
  }

  function change(name, value, options) {
    filter[name] = value;
    setQuery({ [name]: value }, options);
    return read().catch(complain);
  }

  listen({ status: arrived, end: arrived, reset: () => read().catch(complain) }, signal);
  await read();
  return h(
    'div', {},
    head('Jobs', { actions: [count] }),
    filters(filter, change, signal),
    place, foot,
  );
}

function filters(filter, change, signal) {
  let timer = null;
  signal.addEventListener('abort', () => clearTimeout(timer));
  const typed = (event) => {
    clearTimeout(timer);
    const { name, value } = event.target;
    timer = setTimeout(() => change(name, value.trim(), { replace: true }), TYPING_MS);
  };
  const text = (name, label, more = {}) =>
    field({ label, name, value: filter[name], type: 'search', autocomplete: 'off', spellcheck: 'false', ...more });
  const element = h(
    'form', { class: 'filters', role: 'search', 'aria-label': 'Filter the jobs' },
    statusChoice(filter.status, change),
    text('repo', 'Repository', { placeholder: 'owner/name', dataset: { filter: '' } }),
    text('branch', 'Branch', { placeholder: 'any' }),
    ['domain', 'kind', 'subject', 'since'].filter((name) => filter[name]).map((name) => text(name, name[0].toUpperCase() + name.slice(1))),
  );
  element.addEventListener('input', (event) => event.target.type === 'search' && typed(event));
  element.addEventListener('submit', (event) => event.preventDefault());
  return element;
}

function statusChoice(chosen, change) {
  const group = h('fieldset', { class: 'segments' }, h('legend', { class: 'unseen' }, 'Status'));
  for (const status of ['', ...STATUSES]) {
    const input = h('input', { type: 'radio', name: 'status', value: status, checked: status === chosen, onchange: () => change('status', status) });
    group.append(h('label', {}, input, h('span', {}, status ? status[0].toUpperCase() + status.slice(1) : 'All')));
  }
  return group;
}

function render(job) {
  return row({
    lead: jobBadge(job),
    title: rowLink(`/ui/jobs/${job.id}`, name(job)),
    facts: [
      job.branch && [icon('branch'), job.branch],
      job.commit && commit(job.commit),
      job.waiting_for ? `waits for ${job.waiting_for}` : job.status === 'running' && job.stage,
      job.error && h('span', { class: 'bad' }, job.error.message),
    ],
    aside: [
      job.status === 'running' && h('progress', { max: 100, value: job.progress, 'aria-label': 'Progress' }),
      job.started_at && elapsed(job.started_at, job.finished_at),
      ago(job.finished_at ?? job.started_at ?? job.created_at),
    ],
  });
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
