/** A new configuration, from an example or from nothing. */

import { api, intents } from '../core/api.js';
import { h } from '../core/html.js';
import { navigate } from '../core/router.js';
import { button } from '../parts/buttons.js';
import { field } from '../parts/forms.js';
import { notify } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { dropDraft, findDraft, keepDraft } from '../recipe/drafts.js';
import { recipeForm } from '../recipe/form.js';
import { DEFAULTS } from '../recipe/images.js';

const EMPTY = `name: my-image
description: What it is for
modules:
  - type: script
    scripts:
      - echo "hello" > /etc/motd
`;
const DRAFT = 'new configuration';

export default async function configurationNew({ query, signal, title }) {
  title('New configuration');
  const { definitions } = await api.get('/api/config/definitions/list', { signal });
  const chosen = query.get('definition');
  const begun = chosen ? await example(chosen, definitions, signal) : findDraft(DRAFT);
  const once = intents();
  const bench = recipeForm({
    values: begun ?? { name: '', description: '', yaml_content: EMPTY, ...DEFAULTS },
    action: 'Save', signal,
    changed: () => keepDraft(DRAFT, bench.values()),
    submit: async () => {
      const body = bench.values();
      const made = await api.post('/api/config/', body, { intent: once(body) });
      dropDraft(DRAFT);
      notify(`${made.name} is saved.`);
      await navigate(`/ui/configurations/${made.id}`);
    },
    further: [h('a', { href: '/ui/configurations' }, 'Cancel')],
  });
  return h(
    'div', { class: 'wide' },
    head('New configuration', { up: ['/ui/configurations', 'Configurations'] }),
    definitions.length > 0 && h('div', { class: 'panel' }, examples(definitions, chosen, async (filename) => {
      const values = await example(filename, definitions, signal);
      bench.element.elements.image_type.value = values.image_type;
      bench.editor.replace(values.yaml_content);
    })),
    h('div', { class: 'panel' }, bench.element),
  );
}

/** The values that an example gives. Throws ApiError: 404 for one that there is not. */
async function example(filename, definitions, signal) {
  const { content } = await api.get(`/api/config/definitions/${encodeURIComponent(filename)}`, { signal });
  const found = definitions.find((one) => one.filename === filename);
  return { ...DEFAULTS, name: found?.name ?? '', description: found?.description ?? '', yaml_content: content, image_type: found?.image_type ?? DEFAULTS.image_type };
}

function examples(definitions, chosen, take) {
  const options = definitions.map(({ filename, name, description }) => [filename, description ? `${name}: ${description}` : name]);
  const choice = field({ label: 'Begin with an example', name: 'definition', type: 'select', options, value: chosen ?? '' });
  return h('div', { class: 'examples' }, choice,
    button('Put it into the recipe', () => take(choice.querySelector('select').value), { title: 'Ctrl and Z brings back what was there' }));
}
