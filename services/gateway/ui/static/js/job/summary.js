/** The head of a job page: what it is, where it stands, why it waits or failed, and what can be done about it. */

import { api, intents } from '../core/api.js';
import { h } from '../core/html.js';
import { navigate } from '../core/router.js';
import { ago, duration, elapsed } from '../core/time.js';
import { asking, button, copyButton } from '../parts/buttons.js';
import { icon } from '../parts/icons.js';
import { announce, notify } from '../parts/notices.js';
import { facts, head } from '../parts/page.js';
import { Places } from '../parts/places.js';
import { isEnded, jobBadge } from '../parts/status.js';
import { advice, waiting } from './advice.js';
import { stateMark } from './row.js';

/**
 * Make the head of a job: {element, update(job), steps(sections, go), retriedAs(job)}.
 *
 * `changed(job)` takes what an action answered.
 */
export function summary(job, changed) {
  const parts = new Places('job', ['state', 'actions', 'facts', 'notice', 'steps', 'kin']);
  parts.show('kin', job.retry_of, () => job.retry_of && kin('A retry of', job.retry_of));
  const element = h(
    'div', { class: 'job-head' },
    head(nameOf(job), { up: ['/ui/jobs', 'Jobs'], actions: [parts.place('state'), parts.place('actions')] }),
    parts.place('notice'),
    parts.place('kin'),
    parts.place('facts'),
    parts.place('steps'),
  );
  return {
    element,
    update(now) {
      parts.show('state', [now.status, now.cancel_requested], () => jobBadge(now));
      parts.show('actions', [isEnded(now), now.cancel_requested], () => actions(now, changed));
      parts.show('facts', { ...now, version: 0, duration: 0, waiting_for: null, position: null }, () => factsOf(now));
      parts.show('notice', [waiting(now), now.error, now.cancel_requested, isEnded(now)], () => noticeOf(now));
    },
    steps(sections, go) {
      const shown = sections.filter((section) => section.depth === 0);
      parts.show('steps', shown.map(({ n, name, state, ended }) => [n, name, state, ended]), () => stepList(shown, go));
    },
    retriedAs(next) {
      parts.show('kin', [job.retry_of, next.id], () => [
        job.retry_of !== null && kin('A retry of', job.retry_of),
        kin('Retried as', next.id),
      ]);
    },
  };
}

export function nameOf(job) {
  return job.repo ?? `${job.kind} ${job.subject.type} ${job.subject.id}`;
}

function actions(job, changed) {
  if (isEnded(job)) {
    const once = intents();
    return button('Retry', async () => {
      const next = await api.post(`/jobs/${job.id}/retry`, undefined, { intent: once() });
      notify('The job was retried: this is the new one.');
      await navigate(`/ui/jobs/${next.id}`);
    }, { icon: 'retry', focus: 'retry' });
  }
  if (job.cancel_requested) return h('span', { class: 'muted' }, 'Cancelling: its work is being undone');
  return asking('Cancel', {
    question: 'Cancel this job?',
    yes: 'Cancel it',
    no: 'No',
    icon: 'close',
    focus: 'cancel',
    run: async () => {
      changed(await api.post(`/jobs/${job.id}/cancel`));
      announce('The job is being cancelled');
    },
  });
}

function factsOf(job) {
  const query = new URLSearchParams({ repo: job.repo ?? '' });
  const branch = new URLSearchParams({ repo: job.repo ?? '', branch: job.branch ?? '' });
  const delivery = new URLSearchParams({ job: job.id });
  return facts([
    job.repo && ['Repository', [h('a', { href: `/ui/jobs?${query}` }, job.repo), ' · ', h('a', { href: `/ui/deliveries?${delivery}` }, 'its delivery')]],
    job.branch && ['Branch', h('a', { href: `/ui/jobs?${branch}` }, icon('branch'), job.branch)],
    job.commit && ['Commit', h('span', { class: 'copied' }, h('code', { title: job.commit }, job.commit.slice(0, 12)), copyButton(job.commit))],
    job.subject.type === 'build' && ['Build', h('a', { href: `/ui/builds/number/${encodeURIComponent(job.subject.id)}` }, `Build ${job.subject.id}`)],
    ['Created', ago(job.created_at)],
    ['Took', elapsed(job.started_at, job.finished_at)],
    job.status === 'running' && ['Progress', h('span', { class: 'job-progress' },
      h('progress', { max: 100, value: job.progress, 'aria-label': 'Progress' }), h('span', { class: 'number' }, `${job.progress} %`))],
    job.status === 'running' && job.stage && ['Stage', job.stage],
    job.tries > 0 && ['Tries', job.tries + 1],
    job.exit_code !== null && ['Exit code', job.exit_code],
    job.agent_id && ['Worker', h('code', {}, job.agent_id)],
    ['Job', h('code', {}, job.id)],
  ]);
}

function noticeOf(job) {
  if (job.error !== null) {
    return h(
      'section', { class: ['job-error', job.status === 'cancelled' && 'calm'] },
      h('p', {}, icon(job.status === 'cancelled' ? 'skipped' : 'cross'), h('code', {}, job.error.code), ' ', job.error.message),
      isEnded(job) && h('p', { class: 'muted' }, advice(job.error)),
    );
  }
  const words = isEnded(job) ? null : waiting(job);
  return words && h('p', { class: 'banner', role: 'status' }, icon('clock'), words);
}

function kin(words, id) {
  return h('p', { class: 'muted' }, icon('retry'), ` ${words} `, h('a', { href: `/ui/jobs/${id}` }, h('code', {}, id.slice(0, 13))));
}

function stepList(steps, go) {
  if (steps.length === 0) return null;
  return h('ol', { class: 'step-list', 'aria-label': 'Steps' }, steps.map((step) => {
    const took = step.state === 'running'
      ? elapsed(new Date(step.started).toISOString(), null)
      : Number.isNaN(step.ended) ? null : h('span', { class: 'number' }, duration((step.ended - step.started) / 1000));
    return h('li', {}, h('button', { type: 'button', class: 'button', onclick: () => go(step.n) },
      stateMark(step.state), h('span', { class: 'step-name' }, step.name), took));
  }));
}
