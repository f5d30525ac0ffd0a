/** The filters above a list; what they say stands in the address, so that it can be shared and survives a reload. */

import { h } from '../core/html.js';
import { setQuery } from '../core/router.js';
import { field } from './forms.js';
import { complain } from './notices.js';

// Long enough not to ask for every letter, short enough to feel live.
const TYPING_MS = 250;

/**
 * A bar of filters. `filter` is an object of texts that is changed in place; after a change the address is written
 * anew and the async `change()` called. A field has `name`, `label`, and `segments` ([[value, text], ...], radio
 * buttons), `options` (a select) or neither (typed text); `isFirst` marks where `/` goes.
 */
export function filterBar({ label, filter, fields, change, signal }) {
  let timer = null;
  signal.addEventListener('abort', () => clearTimeout(timer));
  const apply = (name, value, options) => {
    filter[name] = value;
    setQuery({ [name]: value, offset: null }, options);
    return change().catch(complain);
  };
  const element = h('form', { class: 'filters', role: 'search', 'aria-label': label }, fields.map((one) => control(one, filter, apply)));
  element.addEventListener('input', ({ target }) => {
    if (target.type !== 'search') return;
    clearTimeout(timer);
    timer = setTimeout(() => apply(target.name, target.value.trim(), { replace: true }), TYPING_MS);
  });
  element.addEventListener('submit', (event) => event.preventDefault());
  return element;
}

function control({ name, label, segments, options, isFirst, type = 'search', ...more }, filter, apply) {
  if (segments) return choice(name, label, segments, filter[name], apply);
  const now = (event) => apply(name, event.target.value);
  if (options) return field({ label, name, type: 'select', options, value: filter[name], onchange: now });
  const onchange = type === 'search' ? null : now;
  return field({ label, name, type, value: filter[name], autocomplete: 'off', spellcheck: 'false', onchange, dataset: { filter: isFirst ? '' : null }, ...more });
}

function choice(name, label, segments, chosen, apply) {
  return h('fieldset', { class: 'segments' }, h('legend', { class: 'unseen' }, label), segments.map(([value, text]) =>
    h('label', {},
      h('input', { type: 'radio', name, value, checked: value === chosen, onchange: () => apply(name, value) }),
      h('span', {}, text))));
}
