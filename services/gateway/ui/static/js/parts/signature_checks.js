/** What "explain this signature" found, check by check. */

import { h } from '../core/html.js';
import { icon } from './icons.js';

export function signatureChecks(found) {
  return h('ul', { class: 'checks' }, found.checks.map((check) => {
    const [name, word] = check.ok === null ? ['skipped', 'Not checked'] : check.ok ? ['check', 'Passed'] : ['cross', 'Failed'];
    return h('li', { class: check.ok === false ? 'bad' : check.ok ? 'good' : 'muted' },
      icon(name), h('div', {}, h('strong', {}, `${check.name}: ${word}. `), check.message));
  }));
}
