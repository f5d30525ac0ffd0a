/** What Slipway needs of a repository besides its name: variables, clone credentials, a token for the forge's API. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { reload } from '../core/router.js';
import { currentUser } from '../core/session.js';
import { asking, button } from '../parts/buttons.js';
import { checkbox, field, form } from '../parts/forms.js';
import { notify } from '../parts/notices.js';
import { section } from '../parts/page.js';

/** The variables of a repository's environment, one a line. */
export function variables(one, path) {
  const text = Object.entries(one.env).map(([name, value]) => `${name}=${value}`).join('\n');
  return section('Variables', form({
    label: 'Variables', action: 'Save the variables', kind: null,
    fields: [field({ label: 'Variables', name: 'env', type: 'textarea', rows: 4, value: text, placeholder: 'LOG_LEVEL=debug', spellcheck: 'false', hint: 'One NAME=value a line; every step gets them and everybody who sees the repository sees them. Secrets belong below.' })],
    submit: async (values) => {
      await api.patch(path, { env: variablesOf(values.get('env')) });
      notify('The variables were saved.');
    },
  }));
}

/** NAME=value lines as an object; everything behind the first "=" is the value. */
function variablesOf(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  return Object.fromEntries(lines.map((line) => {
    const equals = line.indexOf('=');
    return equals < 0 ? [line.trim(), ''] : [line.slice(0, equals).trim(), line.slice(equals + 1)];
  }));
}

/** How a private repository is cloned. Stored credentials are never shown, only their kind. */
export function cloning(one, path) {
  const isSsh = /^(ssh:|[^/:]+@[^/:]+:)/.test(one.clone_url);
  const has = { password: 'A password or token is stored.', ssh_key: 'A private key is stored.' }[one.credentials];
  return section('Cloning',
    h('p', { class: 'hint' }, has ?? 'Nothing is stored: it is cloned as anybody could.', ' Stored sealed, never shown again.'),
    form({
      label: 'Credentials for cloning', action: has ? 'Replace the credentials' : 'Store the credentials', kind: null,
      fields: isSsh ? keyFields() : passwordFields(),
      submit: async (values) => {
        await api.put(`${path}/credentials`, Object.fromEntries([...values].filter(([, value]) => value !== '')));
        notify('The credentials are stored.');
        await reload();
      },
      further: has ? asking('Forget them', {
        question: 'Forget the credentials?', yes: 'Yes, forget',
        run: async () => {
          await api.delete(`${path}/credentials`);
          notify('The credentials were forgotten.');
          await reload();
        },
      }) : [],
    }));
}

function passwordFields() {
  return [h('div', { class: 'form-pair' },
    field({ label: 'User name', name: 'username', autocomplete: 'off', spellcheck: 'false', hint: 'Where the forge wants one.' }),
    field({ label: 'Password or token', name: 'password', type: 'password', required: true, autocomplete: 'off' }))];
}

function keyFields() {
  return [
    field({ label: 'Private key', name: 'ssh_key', type: 'textarea', rows: 4, required: true, autocomplete: 'off', spellcheck: 'false', placeholder: '-----BEGIN OPENSSH PRIVATE KEY-----' }),
    field({ label: 'Known hosts', name: 'ssh_known_hosts', type: 'textarea', rows: 2, autocomplete: 'off', spellcheck: 'false', hint: 'Lines of known_hosts; without any the first key that the server shows is trusted.' }),
  ];
}

/** What the forge's API is used with: to say there how builds go and, on GitHub, to run them. */
export function forgeAccess(one, path) {
  return section('The forge’s API',
    h('p', { class: 'hint' }, one.has_api_token ? 'A token is stored.' : 'No token is stored, so the forge is not told how builds go.', ' Stored sealed, never shown again.'),
    form({
      label: 'The forge’s API', action: 'Save the access', kind: null,
      fields: [
        field({ label: one.has_api_token ? 'Another token' : 'Token', name: 'api_token', type: 'password', autocomplete: 'off', hint: 'It may write commit statuses and, for GitHub Actions, run workflows.' }),
        checkbox({ label: 'Tell the forge how the builds of pushes go', name: 'report_status', checked: one.report_status }),
      ],
      submit: async (values) => {
        const token = values.get('api_token');
        await api.patch(path, { report_status: values.has('report_status'), ...(token && { api_token: token }) });
        notify('Saved.');
        await reload();
      },
      further: [
        one.has_api_token && asking('Forget the token', {
          question: 'Forget the token?', yes: 'Yes, forget',
          run: async () => {
            await api.patch(path, { api_token: null });
            notify('The token was forgotten.');
            await reload();
          },
        }),
        one.forge === 'github' && currentUser()?.is_superuser && button(
          one.uses_operator_token ? 'Take the operator’s token away' : 'Let the operator’s token act for it',
          async () => {
            await api.patch(path, { uses_operator_token: !one.uses_operator_token });
            await reload();
          },
        ),
      ],
    }));
}
