/** What is wrong with a recipe, line by line: a button leads to each place. */

import { fill, h } from '../core/html.js';
import { icon } from '../parts/icons.js';

const LOOKS = { error: ['cross', 'bad', 'Error'], warning: ['warning', 'wait', 'Warning'] };

/** Make the list: {element, say(words), show(validation)}. `goTo(line, column)` brings the cursor there. */
export function problemList(goTo) {
  const state = h('p', { class: 'problems-state', role: 'status' });
  const list = h('ul', { class: 'problems', 'aria-label': 'Problems' });
  return {
    element: h('div', { class: 'problems-place' }, state, list),
    /** Say something in place of a verdict; the problems of before stay. */
    say: (words) => fill(state, h('span', { class: 'muted' }, words)),
    /** Show the answer of /api/config/validate. */
    show(validation) {
      fill(state, verdict(validation));
      fill(list, validation.problems.map((one) => h('li', {}, entry(one, goTo))));
    },
  };
}

function verdict({ valid, problems, dialect }) {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const warnings = problems.length - errors;
  const counted = [errors > 0 && count(errors, 'error'), warnings > 0 && count(warnings, 'warning')].filter(Boolean).join(', ');
  return [
    h('span', { class: `badge tone-${valid ? 'good' : 'bad'}` }, icon(valid ? 'check' : 'cross'), h('span', {}, valid ? 'Valid' : 'Not valid')),
    counted && h('span', {}, counted),
    dialect && h('span', { class: 'muted' }, `read as ${dialect === 'bluebuild' ? 'BlueBuild' : 'Exousia'}`),
  ];
}

function entry({ severity, message, line, column }, goTo) {
  const [name, tone, word] = LOOKS[severity] ?? LOOKS.error;
  const place = line === null ? null : column === null ? `Line ${line}` : `Line ${line}, column ${column}`;
  const content = [
    h('span', { class: `badge tone-${tone}` }, icon(name), h('span', {}, word)),
    place && h('span', { class: 'problem-place number' }, place),
    h('span', { class: 'problem-message' }, message),
  ];
  if (place === null) return h('div', { class: 'problem-line' }, content);
  return h('button', { type: 'button', class: 'problem-line', onclick: () => goTo(line, column) }, content);
}

function count(number, word) {
  return number === 1 ? `1 ${word}` : `${number} ${word}s`;
}
