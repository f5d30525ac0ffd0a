/** What a recipe comes to: its Containerfile, or its modules with those that a condition drops, and why. */

import { api } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { copyButton } from '../parts/buttons.js';
import { icon } from '../parts/icons.js';
import { Latest } from './latest.js';

const TYPING_MS = 600; // behind the validation, which tells first whether there is anything to show

/**
 * Make the preview: {element, begin(), refresh()}: `begin` draws it at once, `refresh` after a pause of typing. `recipe()` answers the body {yaml_content,
 * image_type, fedora_version, enable_plymouth} as it stands.
 */
export function preview(recipe, signal) {
  let chosen = 'containerfile';
  const pane = h('div', { class: 'preview-pane', 'aria-live': 'off' });
  const SHOWS = { containerfile, modules };
  const latest = new Latest(TYPING_MS, async (turn) => {
    pane.setAttribute('aria-busy', 'true');
    try {
      fill(pane, await SHOWS[chosen](recipe(), turn));
    } catch (error) {
      if (turn.aborted) return;
      fill(pane, refusal(error));
    } finally {
      if (!turn.aborted) pane.removeAttribute('aria-busy');
    }
  }, signal);
  const choice = h('fieldset', { class: 'segments' }, h('legend', { class: 'unseen' }, 'Preview'),
    [['containerfile', 'Containerfile'], ['modules', 'Modules']].map(([value, words]) => h('label', {},
      h('input', { type: 'radio', name: 'preview', value, checked: value === chosen, onchange: () => {
        chosen = value;
        latest.now();
      } }),
      h('span', {}, words))));
  return {
    element: h('section', { class: 'preview', 'aria-label': 'Preview' }, h('div', { class: 'preview-bar' }, choice), pane),
    begin: () => latest.now(),
    refresh: () => latest.soon(),
  };
}

function refusal(error) {
  return h('div', { class: 'preview-refusal' },
    h('p', {}, icon('warning'), ' There is nothing to show yet.'),
    h('p', { class: 'muted' }, error.message),
    Object.entries(error.fields ?? {}).map(([name, words]) => h('p', { class: 'muted' }, `${name}: ${words}`)));
}

async function containerfile(body, signal) {
  const { containerfile: text } = await api.post('/api/config/transpile', body, { signal });
  return [
    h('div', { class: 'preview-tools' }, h('span', { class: 'muted number' }, `${text.trimEnd().split('\n').length} lines`), copyButton(text)),
    h('pre', { class: 'block preview-text', tabindex: '0', role: 'region', 'aria-label': 'Containerfile' }, text),
  ];
}

async function modules(body, signal) {
  const found = await api.post('/api/v1/recipes/resolve', body, { signal });
  const dropped = found.modules.filter((module) => !module.kept).length;
  return [
    h('p', { class: 'preview-tools' },
      h('span', {}, 'From ', h('code', {}, found.base_image)),
      h('span', { class: 'muted' }, `${found.modules.length - dropped} of ${found.modules.length} modules are kept`)),
    h('ol', { class: 'modules', 'aria-label': 'Modules' }, found.modules.map((module) => h('li', { class: module.kept ? null : 'dropped' },
      h('span', { class: `badge tone-${module.kept ? 'good' : 'none'}` }, icon(module.kept ? 'check' : 'skipped'), h('span', {}, module.kept ? 'Kept' : 'Dropped')),
      h('div', {},
        h('p', {}, h('span', { class: 'muted number' }, `${module.number}. `), h('strong', {}, module.type)),
        module.from_file && h('p', { class: 'muted' }, 'from ', h('code', {}, module.from_file)),
        module.condition && h('p', { class: 'muted' }, 'if ', h('code', {}, module.condition)),
        module.why && h('p', {}, module.why))))),
  ];
}
