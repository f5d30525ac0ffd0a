/** The page of one job: its head, and its log as it is written. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { bind } from '../core/keys.js';
import { announce, complain } from '../parts/notices.js';
import { isEnded } from '../parts/status.js';
import { parseAnchor } from './anchor.js';
import { Feed } from './feed.js';
import { LogView } from './logview.js';
import { nameOf, summary } from './summary.js';
import { chosenBar, jumpButton, streamLine, toolbar } from './toolbar.js';

// A job that waits is told nothing when those before it go on.
const QUEUE_LOOK_MS = 5000;
const FAMILY_MAX = 50; // jobs of one build, newest first: the retry of this one is among them

export default async function jobPage({ params, signal, title }) {
  let job = await api.get(`/jobs/${encodeURIComponent(params.id)}`, { signal });
  title(nameOf(job));
  const view = new LogView(job.status, parseAnchor(location.hash), drawn, signal);
  const top = summary(job, adopt);
  const bars = { tools: toolbar(view, job.id, signal), chosen: chosenBar(view), jump: jumpButton(view), stream: streamLine(view) };

  function drawn(what) {
    if (what === 'steps') top.steps(view.sections, (n) => view.focusHead(n));
    for (const bar of Object.values(bars)) bar.update(job);
  }

  /** Take a newer picture of the job; an older one may arrive late by another way. */
  function adopt(newer) {
    if (newer.version < job.version) return;
    if (newer.status !== job.status) announce(`The job is ${newer.status === 'success' ? 'done' : newer.status}`);
    job = newer;
    view.jobStatus = job.status;
    top.update(job);
    for (const bar of Object.values(bars)) bar.update(job);
  }

  const feed = new Feed(job.id, view.lines, {
    lines: (first, last) => view.added(first, last),
    reset: () => view.reset(),
    job: adopt,
    state: bars.stream.state,
    failed: complain,
  }, signal);

  adopt(job);
  bindKeys(view, bars, signal);
  watchQueue(() => job, adopt, signal);
  if (isEnded(job)) findRetry(job, signal).then((next) => next && top.retriedAs(next), complain);
  feed.start(job, view.range).catch(complain);
  return h(
    'div', { class: 'job-page wide' },
    top.element,
    h('section', { class: 'log', 'aria-label': 'Log of the job' },
      bars.tools.element,
      h('div', { class: 'log-screen' }, view.pane, bars.chosen.element, bars.jump.element),
      bars.stream.element),
  );
}

function bindKeys(view, { tools, chosen }, signal) {
  bind('Log', {
    f: ['Follow the end', () => view.follow()],
    n: ['Next hit', () => view.toHit()],
    p: ['Previous hit', () => view.toHit(true)],
    ']': ['Next step', () => view.toStep(1)],
    '[': ['Previous step', () => view.toStep(-1)],
    z: ['Fold all steps', () => view.foldAll(true)],
    o: ['Open all steps', () => view.foldAll(false)],
    t: ['Times: off, time of day, since start', () => tools.turnTimes()],
    w: ['Wrap long lines', () => view.toggleWrap()],
    c: ['Copy a link to the line', () => chosen.copyLink().catch(complain)],
    y: ['Copy the chosen lines', () => chosen.copyLines().catch(complain)],
  }, signal);
}

/** Read the job again while it waits: its place in the queue changes without an event of its own. */
function watchQueue(current, adopt, signal) {
  const timer = setInterval(async () => {
    if (current().status !== 'pending' || document.hidden) return;
    try {
      adopt(await api.get(`/jobs/${current().id}`, { signal }));
    } catch {
      // The stream says that the connection is lost; the next look finds it again.
    }
  }, QUEUE_LOOK_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
}

/** The newest job that does this one again, or null. */
async function findRetry(job, signal) {
  const subject = `${job.subject.type}:${job.subject.id}`;
  const { jobs } = await api.get('/jobs', { query: { subject, limit: FAMILY_MAX }, signal });
  return jobs.find((other) => other.retry_of === job.id) ?? null;
}
