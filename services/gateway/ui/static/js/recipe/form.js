/** The form of a configuration: its options, its recipe with what is wrong in it, and what it comes to beside it. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { checkbox, field, form } from '../parts/forms.js';
import { Editor } from './editor.js';
import { FEDORA_VERSIONS, IMAGE_TYPES } from './images.js';
import { Latest } from './latest.js';
import { preview } from './preview.js';
import { problemList } from './problems.js';

const TYPING_MS = 300; // a pause of typing, in which the recipe is validated

/**
 * Make the form: {element, editor, values()}.
 *
 * `values` are {name, description, yaml_content, image_type, fedora_version, enable_plymouth}, as the API has them;
 * `submit()` is async; `changed()` is called after each change by a person; `further` stands beside the button.
 */
export function recipeForm({ values: given, action, submit, changed, further = [], signal }) {
  const found = problemList((line, column) => editor.goTo(line, column));
  const check = new Latest(TYPING_MS, async (turn) => {
    found.say('Checking…');
    try {
      const validation = await api.post('/api/config/validate', { yaml_content: editor.value }, { signal: turn });
      found.show(validation);
      editor.mark(validation.problems);
    } catch (error) {
      if (!turn.aborted) found.say(`It could not be checked. ${error.message}`);
    }
  }, signal);
  const editor = new Editor({ label: 'Recipe', value: given.yaml_content, describedBy: 'editor-how', changed: () => check.soon() });
  const seen = preview(() => {
    const { image_type, fedora_version, enable_plymouth, yaml_content } = values();
    return { yaml_content, image_type, fedora_version, enable_plymouth };
  }, signal);
  const element = form({
    label: 'Configuration', action, submit, further,
    fields: [
      h('div', { class: 'form-pair' },
        field({ label: 'Name', name: 'name', value: given.name, required: true, maxlength: 100, autocomplete: 'off', spellcheck: 'false', hint: 'Letters, digits, - and _.' }),
        field({ label: 'Description', name: 'description', value: given.description ?? '', maxlength: 500, autocomplete: 'off' })),
      h('div', { class: 'form-pair' },
        field({ label: 'Image type', name: 'image_type', type: 'select', options: IMAGE_TYPES.map((name) => [name, name]), value: given.image_type }),
        field({ label: 'Fedora version', name: 'fedora_version', value: given.fedora_version, required: true, list: 'fedora-versions', autocomplete: 'off', spellcheck: 'false' }),
        h('datalist', { id: 'fedora-versions' }, FEDORA_VERSIONS.map((version) => h('option', { value: version }))),
        checkbox({ label: 'Boot splash (Plymouth)', name: 'enable_plymouth', checked: given.enable_plymouth })),
      h('div', { class: 'workbench' },
        h('div', { class: 'workbench-text', dataset: { field: 'yaml_content' } },
          editor.element,
          h('p', { class: 'hint', id: 'editor-how' }, 'Tab indents, Shift and Tab takes back; Esc, then Tab, leaves the recipe. Ctrl and S saves.'),
          h('p', { class: 'wrong' }),
          found.element),
        seen.element),
    ],
  });
  element.classList.add('wide');
  element.addEventListener('input', ({ target }) => {
    if (target.name === 'preview') return;
    seen.refresh();
    changed();
  });
  element.addEventListener('keydown', (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key !== 's') return;
    event.preventDefault();
    element.requestSubmit();
  });
  check.now();
  seen.begin();

  function values() {
    const text = new FormData(element);
    return {
      name: text.get('name').trim(),
      description: text.get('description').trim() || null,
      yaml_content: editor.value, // a form's data would have other line ends
      image_type: text.get('image_type'),
      fedora_version: text.get('fedora_version').trim(),
      enable_plymouth: text.has('enable_plymouth'),
    };
  }

  return { element, editor, values };
}
