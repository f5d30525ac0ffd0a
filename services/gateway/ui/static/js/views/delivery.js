/** One delivery: what came, what was made of it, and why; replay it, or see what its signature lacks. */

import { api, intents } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { navigate } from '../core/router.js';
import { ago } from '../core/time.js';
import { button, copyButton } from '../parts/buttons.js';
import { notify } from '../parts/notices.js';
import { facts, head, section } from '../parts/page.js';
import { signatureChecks } from '../parts/signature_checks.js';
import { badge } from '../parts/status.js';

export default async function delivery({ params, signal, title }) {
  const one = await api.get(`/api/v1/deliveries/${encodeURIComponent(params.id)}`, { signal });
  title(`Delivery ${one.id}`);
  const once = intents();
  const replay = async () => {
    const made = await api.post(`/api/v1/deliveries/${encodeURIComponent(one.id)}/replay`, undefined, { intent: once() });
    notify('The delivery was replayed.');
    const job = made?.job_id;
    await navigate(job ? `/ui/jobs/${job}` : '/ui/deliveries');
  };
  return h(
    'div', {},
    head(`Delivery ${one.id}`, {
      up: ['/ui/deliveries', 'Deliveries'],
      actions: [badge(one.verdict), one.event !== null && button('Replay', replay, { icon: 'retry', title: 'Do what this delivery asks for, again' })],
    }),
    section('What came of it',
      one.reason && h('p', { class: one.verdict === 'refused' ? 'bad' : 'muted' }, one.reason, one.reason_code && [' ', h('code', {}, one.reason_code)]),
      facts([
        ['Repository', one.repository ? h('a', { href: `/ui/repositories/${one.repository.uid}` }, one.repository.full_name) : 'none known'],
        ['Job', one.job_id && h('a', { href: `/ui/jobs/${one.job_id}` }, 'Open the job')],
        ['Forge', one.forge],
        ['Event', one.event_name ?? 'unknown'],
        ['Forge’s id', one.delivery_id && h('code', {}, one.delivery_id)],
        ['Received', ago(one.received_at)],
        ['Size', `${one.body_bytes.toLocaleString()} bytes`],
        ['Replay of', one.replay_of && h('a', { href: `/ui/deliveries/${one.replay_of}` }, `delivery ${one.replay_of}`)],
      ])),
    signature(one),
    section('Headers',
      h('p', { class: 'hint' }, 'Secrets are never kept; signatures are kept and never shown.'),
      h('pre', { class: 'block', tabindex: '0', 'aria-label': 'Headers' }, Object.entries(one.headers ?? {}).map(([name, value]) => `${name}: ${value}\n`))),
    body(one),
  );
}

function signature(one) {
  const place = h('div', { 'aria-live': 'polite' });
  const explain = async () => {
    const found = await api.get(`/api/v1/deliveries/${encodeURIComponent(one.id)}/signature`);
    fill(place, signatureChecks(found));
  };
  return section('Signature',
    h('p', { class: 'hint' }, 'Was it the forge that sent this? Each check is told, never the secret.'),
    h('p', {}, button('Explain the signature', explain)),
    place);
}

function body(one) {
  if (one.body === null || one.body === undefined) {
    return section('Body', h('p', { class: 'muted' }, 'The body was not kept, or it is older than the retention says.'));
  }
  return section('Body',
    h('div', { class: 'form-actions' }, copyButton(one.body, 'Copy the body'), one.body_truncated && h('span', { class: 'muted' }, 'Only its beginning was kept.')),
    h('pre', { class: 'block', tabindex: '0', 'aria-label': 'Body' }, pretty(one.body)));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
