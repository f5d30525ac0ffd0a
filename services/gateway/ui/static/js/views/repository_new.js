/** Connect a repository. */

import { api, intents } from '../core/api.js';
import { h } from '../core/html.js';
import { navigate } from '../core/router.js';
import { form } from '../parts/forms.js';
import { notify } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { repositoryBody, repositoryFields } from '../parts/repository_fields.js';

export default async function repositoryNew({ title }) {
  title('Connect a repository');
  const once = intents();
  return h(
    'div', {},
    head('Connect a repository', { up: ['/ui/repositories', 'Repositories'] }),
    h('div', { class: 'panel' }, form({
      label: 'Connect a repository',
      action: 'Connect',
      fields: repositoryFields(null),
      submit: async (values) => {
        const body = repositoryBody(values);
        const made = await api.post('/api/v1/repositories', body, { intent: once(body) });
        notify(`${made.full_name} is connected. Next: its webhook.`);
        await navigate(`/ui/repositories/${made.uid}`);
      },
      further: [h('a', { href: '/ui/repositories' }, 'Cancel')],
    })),
  );
}
