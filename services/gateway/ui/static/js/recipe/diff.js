/** A unified diff, line by line; its own signs (+, -, @@) say what colour repeats. */

import { h } from '../core/html.js';

const KINDS = [['@@', 'hunk'], ['+++', 'file'], ['---', 'file'], ['+', 'added'], ['-', 'removed']];

/** What differs between two versions, as /api/config/{id}/diff answers it: the recipe's lines and the other fields. */
export function diffView({ diff, fields }, label) {
  if (diff === '' && fields.length === 0) return h('p', { class: 'muted' }, 'They are the same.');
  return h('div', { class: 'diff-place' },
    fields.length > 0 && h('ul', { class: 'diff-fields' }, fields.map(({ field, before, after }) =>
      h('li', {}, `${field.replaceAll('_', ' ')}: `, h('del', {}, said(before)), ' → ', h('ins', {}, said(after))))),
    diff !== '' && h('pre', { class: 'block diff', tabindex: '0', role: 'region', 'aria-label': label },
      diff.replace(/\n$/, '').split('\n').map((line) => h('span', { class: `diff-${kindOf(line)}` }, `${line}\n`))));
}

function said(value) {
  return value === null || value === '' ? 'nothing' : String(value);
}

function kindOf(line) {
  return KINDS.find(([sign]) => line.startsWith(sign))?.[1] ?? 'same';
}
