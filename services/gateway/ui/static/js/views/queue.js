/** The queue of each domain: how much waits and runs, who works, what comes next; pause and resume. */

import { api } from '../core/api.js';
import { listen } from '../core/events.js';
import { fill, h } from '../core/html.js';
import { atMostEvery } from '../core/pace.js';
import { currentUser } from '../core/session.js';
import { ago, duration, elapsed } from '../core/time.js';
import { button } from '../parts/buttons.js';
import { field, form } from '../parts/forms.js';
import { icon } from '../parts/icons.js';
import { complain, notify } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { row, rowLink, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';

// Heartbeats come every few seconds; between readings the clocks tick by themselves.
const READ_EVERY_MS = 3000;
const PACE_MS = 300;

export default async function queue({ signal, title }) {
  title('Queue');
  const cards = new Map();
  const place = h('div');

  async function read() {
    const { domains } = await api.get('/queue', { signal });
    for (const domain of domains) {
      if (!cards.has(domain.domain)) {
        const card = new Card(domain.domain, read);
        cards.set(domain.domain, card);
        place.append(card.element);
      }
      cards.get(domain.domain).show(domain);
    }
  }

  const readAgain = () => read().catch((error) => error.status !== 0 && complain(error));
  await read();
  const timer = setInterval(() => !document.hidden && readAgain(), READ_EVERY_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  const readSoon = atMostEvery(PACE_MS, readAgain, signal);
  listen({ status: readSoon, end: readSoon }, signal);
  return h('div', {}, head('Queue'), place);
}

/** One domain. Its parts stay in place while their contents change, so that an open form is not lost. */
class Card {
  constructor(name, read) {
    this._name = name;
    this._read = read;
    this._paused = null;
    this._state = h('div', { class: 'head-actions' });
    this._control = h('div');
    this._note = h('p', { class: 'muted' });
    this._numbers = h('dl', { class: 'numbers' });
    this._workers = h('div', { class: 'workers' });
    this._next = new Rows({ label: `Next jobs of ${name}`, keyOf: (job) => job.id, render: waiting });
    this._nextPlace = h('div');
    this.element = h(
      'section', { class: 'panel', 'aria-labelledby': `domain-${name}` },
      h('div', { class: 'head-line' }, h('h2', { id: `domain-${name}` }, name), this._state),
      this._control, this._note, this._numbers,
      h('h3', {}, 'Workers'), this._workers,
      h('h3', {}, 'Next'), this._nextPlace,
    );
  }

  show(domain) {
    if (this._paused !== domain.paused) {
      this._paused = domain.paused;
      this._offer(domain);
    }
    fill(this._state, badge(domain.paused ? 'paused' : 'active', domain.paused ? 'Paused' : 'Open'));
    fill(this._numbers, [
      ['Waiting', domain.waiting],
      ['Running', domain.running],
      ['Oldest waits', domain.oldest_wait_s === null ? '–' : duration(domain.oldest_wait_s)],
      ['Started a minute', rate(domain.started_per_minute)],
      ['Ended a minute', rate(domain.ended_per_minute)],
    ].map(([words, value]) => h('div', {}, h('dt', {}, words), h('dd', {}, String(value)))));
    const workers = domain.workers ?? []; // null while Redis, which knows them, is away
    fill(this._note, domain.note);
    fill(this._workers, workers.length > 0 ? workers.map(worker) : h('p', { class: 'muted' }, nobody(domain)));
    this._next.set(domain.next);
    fill(this._nextPlace, this._next.size > 0 ? this._next.element : h('p', { class: 'muted' }, 'Nothing waits.'));
  }

  _offer(domain) {
    const user = currentUser();
    const mayControl = user.is_superuser || user.scopes.includes('admin');
    if (domain.paused) {
      fill(this._control, h('div', { class: 'banner', role: 'status' },
        icon('pause'),
        h('span', {}, 'Paused', domain.paused_by && ` by ${domain.paused_by}`, ' ', domain.paused_at && ago(domain.paused_at), domain.reason && `: ${domain.reason}`, '. What runs goes on; nothing new starts.'),
        mayControl && button('Resume', () => this._post('resume'), { icon: 'play' })));
      return;
    }
    fill(this._control, mayControl && h('details', {}, h('summary', {}, 'Pause'), form({
      label: `Pause ${this._name}`, action: 'Pause', kind: null,
      fields: [field({ label: 'Reason (optional)', name: 'reason', maxlength: 500, hint: 'Shown to everybody whose jobs wait.' })],
      submit: (values) => this._post('pause', values.get('reason') ? { reason: values.get('reason') } : {}),
    })));
  }

  async _post(what, body) {
    this.show(await api.post(`/queue/${encodeURIComponent(this._name)}/${what}`, body));
    notify(what === 'pause' ? `${this._name} is paused.` : `${this._name} goes on.`);
    this.element.querySelector('summary, .banner .button')?.focus();
    await this._read();
  }
}

function nobody(domain) {
  if (domain.workers === null) return 'Not known now.';
  if (domain.waiting === 0) return 'None.';
  return `None: jobs wait until there is one. Start it with: python -m workers.${domain.domain}`;
}

function worker(one) {
  return h(
    'div', { class: 'worker' },
    h('div', { class: 'worker-line' },
      h('strong', {}, one.name),
      h('span', { class: 'muted' }, `${one.host} · ${one.version} · `, 'heard ', ago(one.heartbeat_at)),
      h('span', { class: 'slots number' }, Object.entries(one.slots).map(([name, slot]) => h('span', { class: 'chip' }, `${name} ${slot.used}/${slot.total}`)))),
    one.jobs.length > 0 && h('ul', {}, one.jobs.map((job) => h('li', {},
      h('a', { href: `/ui/jobs/${job.id}` }, `${job.kind} ${subject(job.subject)}`), ' ', job.started_at && elapsed(job.started_at, null)))),
  );
}

function waiting(job) {
  return row({
    lead: job.position ? badge('pending', `No. ${job.position}`) : badge('pending'),
    title: rowLink(`/ui/jobs/${job.id}`, job.repo ?? `${job.kind} ${subject(job.subject)}`),
    facts: [job.branch, job.waiting_for && `waits: ${job.waiting_for}`],
    aside: [ago(job.created_at)],
  });
}

function subject(value) {
  return typeof value === 'string' ? value : `${value.type} ${value.id}`;
}

function rate(value) {
  return value === null || value === undefined ? '–' : Math.round(value * 10) / 10;
}
