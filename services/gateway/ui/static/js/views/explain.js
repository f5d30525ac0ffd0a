/** Why would a delivery not be believed? Paste what the forge shows of it; nothing is stored and nothing started. */

import { api } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { field, form } from '../parts/forms.js';
import { head, section } from '../parts/page.js';
import { FORGES } from '../parts/repository_fields.js';
import { signatureChecks } from '../parts/signature_checks.js';

export default async function explain({ query, title }) {
  title('Explain a signature');
  const found = h('div', { role: 'status' });
  return h(
    'div', {},
    head('Explain a signature', { up: ['/ui/deliveries', 'Deliveries'] }),
    h('p', { class: 'hint' }, 'Forges list their recent deliveries in the webhook’s settings. Paste the headers and the body of one: each check is told, never the secret.'),
    form({
      label: 'Explain a signature', action: 'Explain',
      fields: [
        h('div', { class: 'form-pair' },
          field({ label: 'Forge', name: 'forge', type: 'select', options: FORGES, value: query.get('forge') ?? 'gitea' }),
          field({ label: 'Repository', name: 'repository', value: query.get('repository') ?? '', autocomplete: 'off', spellcheck: 'false', hint: 'The last part of its own webhook address; empty for the forge’s global one.' })),
        field({ label: 'Headers', name: 'headers', type: 'textarea', rows: 6, required: true, spellcheck: 'false', placeholder: 'Content-Type: application/json\nX-Gitea-Signature: …', hint: 'One a line, as Name: value.' }),
        field({ label: 'Body', name: 'body', type: 'textarea', rows: 10, spellcheck: 'false', hint: 'As it was sent, to the last character: a line end more is another body.' }),
      ],
      submit: async (values) => {
        fill(found);
        fill(found, section('What was found', signatureChecks(await api.post('/api/v1/deliveries/explain-signature', pasted(values)))));
        found.scrollIntoView({ block: 'nearest' });
      },
    }),
    found,
  );
}

function pasted(values) {
  const repository = values.get('repository').trim();
  // A form sends line ends as CR LF; forges send JSON, where a line end is LF.
  const body = values.get('body').replaceAll('\r\n', '\n');
  return { forge: values.get('forge'), headers: headersOf(values.get('headers')), body, ...(repository && { repository }) };
}

/** Lines of "Name: value" as an object; a line without a colon is a name without a value. */
function headersOf(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(':');
    return colon < 0 ? [line, ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  }));
}
