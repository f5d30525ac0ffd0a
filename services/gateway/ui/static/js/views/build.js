/** One build, whoever runs it: how far it is, what happened, why it failed, and what can be done. */

import { api } from '../core/api.js';
import { listen } from '../core/events.js';
import { h, safeAddress } from '../core/html.js';
import { atMostEvery } from '../core/pace.js';
import { ago } from '../core/time.js';
import { actions, channels } from '../build/actions.js';
import { History } from '../build/history.js';
import { progress } from '../build/progress.js';
import { reports } from '../build/reports.js';
import { executorOf, imageOf, isAbout, isOver, nameOf } from '../build/words.js';
import { advice, waiting } from '../job/advice.js';
import { copyButton } from '../parts/buttons.js';
import { icon } from '../parts/icons.js';
import { announce, complain } from '../parts/notices.js';
import { facts, head, section } from '../parts/page.js';
import { Places } from '../parts/places.js';
import { badge } from '../parts/status.js';

const PACE_MS = 300; // a build that says much is read so often, and no more
// A build that waits is told nothing when those before it go on.
const QUEUE_LOOK_MS = 5000;

export default async function build({ params, signal, title }) {
  const path = `/api/v1/builds/${encodeURIComponent(params.ref)}`;
  let one = await api.get(path, { signal });
  title(nameOf(one));
  const places = new Places('build', ['state', 'actions', 'progress', 'notice', 'facts', 'channels']);
  const history = new History(`/api/v1/builds/${encodeURIComponent(one.uid)}`, signal);
  const reported = reports(one.uid, signal);

  /** Read everything anew; what did not change stays as it stands. */
  async function read() {
    const newer = await api.get(path, { signal });
    if (Date.parse(newer.updated_at) < Date.parse(one.updated_at)) return; // a later reading was faster
    if (newer.status !== one.status) announce(`The build is ${newer.status.replace('_', ' ')}`);
    one = newer;
    await show();
  }

  async function show() {
    const [job] = await Promise.all([waitingJob(one, signal), history.read(one), reported.read()]);
    const { status, executor, error } = one;
    const wait = job && waiting(job);
    places.show('state', status, () => badge(status));
    places.show('actions', [status, executor, error, one.run_id], () => actions(one, read));
    places.show('progress', [status, one.state_code, one.stage, one.started_at, one.finished_at], () => progress(one));
    places.show('notice', [status, error, executor, wait], () => notice(one, wait));
    places.show('facts', { ...one, updated_at: null, state_code: 0, stage: null }, () => factsOf(one));
    places.show('channels', [status, one.channels], () => offered(one, read));
  }

  const readAgain = () => read().catch((error) => error.status !== 0 && complain(error));
  const readSoon = atMostEvery(PACE_MS, readAgain, signal);
  const changed = (event) => isAbout(event, one.id) && readSoon();
  listen({ status: changed, end: changed, build: changed, reset: readSoon }, signal);
  const timer = setInterval(() => one.status === 'pending' && !document.hidden && readAgain(), QUEUE_LOOK_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  await show();
  return h(
    'div', {},
    head(nameOf(one), { up: ['/ui/builds', 'Builds'], actions: [places.place('state'), places.place('actions')] }),
    h('div', { class: 'panel' }, places.place('progress'), places.place('notice'), places.place('facts')),
    places.place('channels'),
    section('History', history.element),
    reported.elements,
  );
}

/** The job of a build that waits for something, which knows for what; null when none does. */
async function waitingJob(build, signal) {
  if (isOver(build) || !build.job_id) return null;
  const job = await api.get(`/jobs/${build.job_id}`, { signal });
  return job.status === 'pending' || job.waiting_for ? job : null;
}

function notice(build, wait) {
  if (build.error) {
    return h('section', { class: ['job-error', build.status === 'cancelled' && 'calm'] },
      h('p', {}, icon(build.status === 'cancelled' ? 'skipped' : 'cross'), h('code', {}, build.error.code), ' ', build.error.message),
      h('p', { class: 'muted' }, hint(build)));
  }
  return wait && h('p', { class: 'banner', role: 'status' }, icon('clock'), wait);
}

function hint(build) {
  if (build.executor === 'external' || !isOver(build)) return 'It stays here until somebody resets it; then its pipeline goes on from this stage.';
  return advice(build.error);
}

function factsOf(build) {
  const image = imageOf(build);
  const repository = build.repository?.full_name;
  const only = (filter) => `/ui/builds?${new URLSearchParams(filter)}`;
  return facts([
    image && ['Image', h('a', { href: only(cellOf(build)) }, image)],
    repository && ['Repository', h('a', { href: `/ui/repositories/${build.repository.uid}` }, repository)],
    (build.branch ?? build.tag) && ['Branch', h('a', { href: only({ repository: repository ?? '', branch: build.branch ?? '' }) }, icon('branch'), build.tag ?? build.branch)],
    build.commit_sha && ['Commit', h('span', { class: 'copied' }, h('code', { title: build.commit_sha }, build.commit_sha.slice(0, 12)), copyButton(build.commit_sha))],
    build.message && ['Message', build.message.split('\n', 1)[0]],
    build.author && ['Author', build.author],
    ['Run by', executorOf(build)],
    build.job_id && ['Log', h('a', { href: `/ui/jobs/${build.job_id}` }, 'Job and log')],
    outside('Run on GitHub', build.run_url, build.run_id),
    outside('Pipeline', build.pipeline_url),
    build.ref && build.ref !== build.branch && ['Workflow’s ref', build.ref],
    build.config_id !== null && ['Configuration', h('a', { href: `/ui/configurations/${build.config_id}` }, `Configuration ${build.config_id}`)],
    build.exit_code !== null && ['Exit code', build.exit_code],
    build.build_id && ['Name', h('code', {}, build.build_id)],
    ['Id', h('code', {}, build.uid)],
    ['Made', ago(build.created_at)],
  ]);
}

/** A fact that leads out of here; what is no http(s) address is shown as text. */
function outside(name, url, words = url) {
  if (!url) return null;
  return [name, safeAddress(url) ? h('a', { href: url, rel: 'noreferrer' }, words ?? url) : url];
}

function cellOf({ platform, os_version, image_type }) {
  return Object.fromEntries(Object.entries({ platform, os_version, image_type }).filter(([, value]) => value));
}

function offered(build, changed) {
  const buttons = channels(build, changed);
  if (buttons === null) return null;
  return section('Channels',
    h('p', { class: 'hint' }, build.channels.length > 0
      ? `Offered in ${build.channels.join(' and ')}: who asks a channel for this image gets this build.`
      : 'No channel offers this build.'),
    h('div', { class: 'form-actions' }, buttons));
}
