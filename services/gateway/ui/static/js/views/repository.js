/** One repository: its webhook to copy, its secrets, its settings. */

import { api, intents } from '../core/api.js';
import { fill, h, safeAddress } from '../core/html.js';
import { navigate, reload } from '../core/router.js';
import { ago } from '../core/time.js';
import { asking, button, copyButton } from '../parts/buttons.js';
import { field, form } from '../parts/forms.js';
import { notify } from '../parts/notices.js';
import { facts, head, section } from '../parts/page.js';
import { repositoryBody, repositoryFields } from '../parts/repository_fields.js';
import { row, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';
import { cloning, forgeAccess, variables } from './repository_build.js';

// A day: whoever rotates has time to give the forge the new secret.
const OVERLAP_S = 86_400;

export default async function repository({ params, signal, title }) {
  const path = `/api/v1/repositories/${encodeURIComponent(params.uid)}`;
  const one = await api.get(path, { signal });
  title(one.full_name);
  return h(
    'div', {},
    head(one.full_name, {
      up: ['/ui/repositories', 'Repositories'],
      actions: [
        badge(one.active ? 'active' : 'inactive'),
        h('a', { class: 'button', href: `/ui/builds?repository=${encodeURIComponent(one.full_name)}` }, 'Builds'),
        h('a', { class: 'button', href: `/ui/jobs?repo=${encodeURIComponent(one.full_name)}` }, 'Jobs'),
        h('a', { class: 'button', href: `/ui/deliveries?repository=${encodeURIComponent(one.full_name)}` }, 'Deliveries'),
      ],
    }),
    one.problem && h('p', { class: 'banner', role: 'alert' }, one.problem),
    webhook(one, path),
    runs(one),
    variables(one, path),
    secrets(one, path),
    cloning(one, path),
    forgeAccess(one, path),
    settings(one, path),
    section('Facts', facts([
      ['Forge', one.forge],
      ['Page', one.html_url && safeAddress(one.html_url) && h('a', { href: one.html_url, rel: 'noreferrer' }, one.html_url)],
      ['Owner', one.owner === null ? 'shared by all' : `user ${one.owner}`],
      ['Registered', ago(one.created_at)],
      ['Changed', ago(one.updated_at)],
    ])),
    switches(one, path),
  );
}

function runs(one) {
  const once = intents();
  let turn = 0;
  return section('Run', form({
    label: 'Run the pipeline', action: 'Run the pipeline', kind: null,
    fields: [field({ label: 'Branch, tag or commit', name: 'ref', value: 'main', required: true, autocomplete: 'off', spellcheck: 'false', hint: 'A branch’s name, refs/tags/… or a whole commit id.' })],
    submit: async (values) => {
      const body = { repository: one.uid, ref: values.get('ref').trim() };
      const job = await api.post('/jobs', body, { intent: once([turn, body]) });
      turn += 1;
      await navigate(`/ui/jobs/${job.id}`);
    },
  }));
}

function webhook(one, path) {
  const shown = h('div', { 'aria-live': 'polite' });
  const once = intents();
  let turn = 0;
  const rotate = async () => {
    const body = one.webhook.secrets.length > 0 ? { overlap_s: OVERLAP_S } : {};
    const made = await api.post(`${path}/webhook-secrets`, body, { intent: once([turn, body]) });
    turn += 1;
    fill(shown, revealed(made));
    fill(list, secretList(await api.get(path), path));
  };
  const list = h('div', {}, secretList(one, path));
  const word = one.webhook.secrets.length > 0 ? 'Rotate the secret' : 'Make a secret';
  return section('Webhook',
    h('p', { class: 'hint' }, 'Give the forge this address and a secret; it then tells Slipway of every push. Content type: JSON.'),
    h('div', { class: 'copied' }, h('code', {}, one.webhook.url), copyButton(one.webhook.url, 'Copy the address')),
    shown, list,
    h('div', { class: 'form-actions' }, button(word, rotate, { icon: 'key' }), one.webhook.secrets.length > 0 && h('span', { class: 'hint' }, 'The present one stays valid for a day.')));
}

function revealed(made) {
  return h('div', { class: 'reveal' },
    h('p', {}, h('strong', {}, 'The new secret. '), 'It is shown only now: copy it into the forge’s webhook settings.'),
    h('div', { class: 'copied' }, h('code', {}, made.secret), copyButton(made.secret, 'Copy the secret')));
}

function secretList(one, path) {
  if (one.webhook.secrets.length === 0) return h('p', { class: 'muted' }, 'It has no secret of its own yet.');
  const rows = new Rows({
    label: 'Webhook secrets', keyOf: (secret) => secret.id,
    render: (secret) => row({
      lead: badge('active', 'Valid'),
      title: h('code', {}, secret.id),
      facts: [['made ', ago(secret.created_at)], secret.expires_at && ['ends ', ago(secret.expires_at)]],
      actions: [asking('Delete', {
        question: 'Refuse what is signed with it?', yes: 'Yes, delete',
        run: async () => {
          await api.delete(`${path}/webhook-secrets/${encodeURIComponent(secret.id)}`);
          rows.remove(secret.id);
          notify('The webhook secret was deleted.');
        },
      })],
    }),
  });
  rows.set(one.webhook.secrets);
  return rows.element;
}

function secrets(one, path) {
  const rows = new Rows({
    label: 'Pipeline secrets', keyOf: (secret) => secret.name,
    render: ({ name }) => row({
      lead: badge('active', 'Set'),
      title: h('code', {}, name),
      actions: [asking('Delete', {
        question: `Delete ${name}?`, yes: 'Yes, delete',
        run: async () => {
          await api.delete(`${path}/secrets/${encodeURIComponent(name)}`);
          rows.remove(name);
          draw();
          notify(`${name} was deleted.`);
        },
      })],
    }),
  });
  rows.set(one.secrets.map((name) => ({ name })));
  const place = h('div');
  const draw = () => fill(place, rows.size > 0 ? rows.element : h('p', { class: 'muted' }, 'No secrets yet.'));
  draw();
  return section('Pipeline secrets',
    h('p', { class: 'hint' }, 'Stored sealed and never shown again. A pipeline gets those it names under ', h('code', {}, 'secrets'), '; logs mask them.'),
    place,
    form({
      label: 'Set a secret', action: 'Set the secret', kind: null,
      fields: [h('div', { class: 'form-pair' },
        field({ label: 'Name', name: 'name', required: true, pattern: '[A-Za-z_][A-Za-z0-9_]*', placeholder: 'DEPLOY_TOKEN', autocomplete: 'off', spellcheck: 'false' }),
        field({ label: 'Value', name: 'value', type: 'password', required: true, autocomplete: 'off' }))],
      submit: async (values, element) => {
        const name = values.get('name');
        await api.put(`${path}/secrets/${encodeURIComponent(name)}`, { value: values.get('value') });
        rows.upsert({ name });
        draw();
        element.reset();
        notify(`${name} is set.`);
      },
    }));
}

function settings(one, path) {
  return section('Settings', form({
    label: 'Settings', action: 'Save', fields: repositoryFields(one),
    submit: async (values) => {
      await api.patch(path, repositoryBody(values));
      notify('Saved.');
      await reload();
    },
  }));
}

function switches(one, path) {
  return section('Switches', h('div', { class: 'form-actions' },
    button(one.active ? 'Deactivate' : 'Activate', async () => {
      await api.patch(path, { active: !one.active });
      await reload();
    }, { title: 'An inactive repository refuses deliveries' }),
    asking('Remove the repository', {
      question: `Remove ${one.full_name}? Its webhook stops working; builds and logs stay.`, yes: 'Yes, remove',
      run: async () => {
        await api.delete(path);
        notify(`${one.full_name} was removed.`);
        await navigate('/ui/repositories');
      },
    })));
}
