/** API keys: make (shown once), rotate, revoke. */

import { api, intents } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { currentUser } from '../core/session.js';
import { ago, now } from '../core/time.js';
import { asking, copyButton } from '../parts/buttons.js';
import { choices, field, form } from '../parts/forms.js';
import { empty, notify } from '../parts/notices.js';
import { head, section } from '../parts/page.js';
import { pages, row, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';

const PATH = '/api/v1/api-keys';
const PAGE = 50;
const SCOPES = [
  ['builds:read', 'Read builds'], ['builds:write', 'Change builds'], ['jobs:read', 'Read jobs'], ['jobs:write', 'Cancel, retry jobs'],
  ['vms:read', 'Read servers'], ['vms:write', 'Change servers'], ['apps:read', 'Read apps'], ['apps:write', 'Change apps'],
];
const DAY_S = 86_400;
const ENDS = [['', 'Never'], ['30', 'In 30 days'], ['90', 'In 90 days'], ['365', 'In a year']];
const OVERLAP_S = DAY_S; // every pipeline that runs nightly has met the new key

export default async function keys({ query, signal, title }) {
  title('API keys');
  const offset = Number(query.get('offset')) || 0;
  const shown = h('div', { 'aria-live': 'polite' });
  const place = h('div');
  const foot = h('div');
  const rows = new Rows({ label: 'API keys', keyOf: (key) => key.id, render: (key) => keyRow(key, { read, reveal }) });

  async function read() {
    const page = await api.get(PATH, { query: { limit: PAGE, offset }, signal });
    rows.set(page.items);
    fill(place, rows.size > 0 ? rows.element : nothing());
    fill(foot, pages(page, (to) => `/ui/keys?offset=${to}`));
  }

  function reveal(made) {
    fill(shown, h('div', { class: 'reveal' },
      h('p', {}, h('strong', {}, `The key “${made.name}”. `), 'It is shown only now: keep it where your pipeline keeps its secrets.'),
      h('div', { class: 'copied' }, h('code', {}, made.key), copyButton(made.key, 'Copy the key')),
      h('p', { class: 'hint' }, 'Send it as the header ', h('code', {}, 'X-API-Key'), ' or ', h('code', {}, 'Authorization: Bearer'), '.')));
    shown.scrollIntoView({ block: 'nearest' });
  }

  await read();
  return h('div', {}, head('API keys'), shown, place, foot, maker({ read, reveal }));
}

function nothing() {
  return empty('You have no API keys.', h('p', {}, 'A key lets a script or a pipeline act for you, within its scopes. Make one below.'));
}

function maker({ read, reveal }) {
  const user = currentUser();
  const scopes = user.is_superuser ? [...SCOPES, ['admin', 'Everything (admin)']] : SCOPES;
  const once = intents();
  let turn = 0;
  return section('Make a key', form({
    label: 'Make a key', action: 'Make the key',
    fields: [
      h('div', { class: 'form-pair' },
        field({ label: 'Name', name: 'name', required: true, maxlength: 100, placeholder: 'nightly pipeline', autocomplete: 'off' }),
        field({ label: 'Ends', name: 'expires_at', type: 'select', options: ENDS })),
      choices({ legend: 'Scopes', name: 'scopes', options: scopes, checked: ['builds:read', 'jobs:read'] }),
    ],
    submit: async (values, element) => {
      const days = Number(values.get('expires_at'));
      const body = { name: values.get('name').trim(), scopes: values.getAll('scopes') };
      const intent = once([turn, body, days]);
      if (days) body.expires_at = new Date(now() + days * DAY_S * 1000).toISOString();
      const made = await api.post(PATH, body, { intent });
      turn += 1;
      element.reset();
      reveal(made);
      await read();
    },
  }));
}

function keyRow(key, { read, reveal }) {
  const path = `${PATH}/${encodeURIComponent(key.id)}`;
  const state = stateOf(key);
  const once = intents();
  return row({
    lead: badge(state),
    title: [key.name, ' ', h('code', { class: 'muted' }, `slp_${key.id}_…`)],
    facts: [
      key.scopes.join(', '),
      ['made ', ago(key.created_at)],
      ['used ', ago(key.last_used_at)],
      key.expires_at && [state === 'expired' ? 'ended ' : 'ends ', ago(key.expires_at)],
      key.replaced_by && ['replaced by ', h('code', {}, key.replaced_by)],
    ],
    actions: [
      state === 'active' && !key.replaced_by && asking('Rotate', {
        question: 'Make its successor? This one works for another day.', yes: 'Yes, rotate', no: 'No', kind: 'primary', focus: 'rotate',
        run: async () => {
          const body = { overlap_s: OVERLAP_S };
          reveal(await api.post(`${path}/rotate`, body, { intent: once(body) }));
          await read();
        },
      }),
      state === 'active' && asking('Revoke', {
        question: 'Revoke it? Whoever uses it is refused at once.', yes: 'Yes, revoke', focus: 'revoke',
        run: async () => {
          await api.delete(path);
          notify(`The key “${key.name}” is revoked.`);
          await read();
        },
      }),
    ],
  });
}

function stateOf(key) {
  if (key.revoked_at) return 'revoked';
  return key.expires_at && Date.parse(key.expires_at) <= now() ? 'expired' : 'active';
}
