/** Forms: fields with a label and room for what is wrong with them, sent once. */

import { fill, h } from '../core/html.js';
import { busy } from './buttons.js';

let serial = 0;

/**
 * A field. `name` is also the name by which the gateway complains ("filters.branches"). `type` is that of an input, or
 * "textarea" or "select" (then `options`: [[value, text], ...]). `more` are further attributes of the control.
 */
export function field({ label, name, type = 'text', value = '', hint = null, options = [], ...more }) {
  const id = `field-${(serial += 1)}`;
  const describedBy = `${hint ? `${id}-hint ` : ''}${id}-error`;
  const attributes = { id, name, 'aria-describedby': describedBy, ...more };
  return h(
    'div', { class: 'field', dataset: { field: name } },
    h('label', { for: id }, label),
    control(type, attributes, value, options),
    hint && h('p', { class: 'hint', id: `${id}-hint` }, hint),
    h('p', { class: 'wrong', id: `${id}-error` }),
  );
}

/** A check box with its label behind it. */
export function checkbox({ label, name, checked = false, value = 'on', hint = null }) {
  const id = `field-${(serial += 1)}`;
  return h(
    'div', { class: 'check', dataset: { field: name } },
    h('input', { type: 'checkbox', id, name, value, checked, 'aria-describedby': hint ? `${id}-hint` : null }),
    h('label', { for: id }, label),
    hint && h('p', { class: 'hint', id: `${id}-hint` }, hint),
  );
}

/** Several check boxes under one name and heading. */
export function choices({ legend, name, options, checked = [] }) {
  return h(
    'fieldset', { class: 'field choices', dataset: { field: name } },
    h('legend', {}, legend),
    h('div', { class: 'choices-grid' }, options.map(([value, label]) => checkbox({ label, name, value, checked: checked.includes(value) }))),
    h('p', { class: 'wrong', id: `choices-${(serial += 1)}` }),
  );
}

/**
 * A form. `submit(values, form)` is an async function; `values` is its FormData. What the gateway finds wrong is shown
 * beside the fields, the rest above the button, and the first wrong field gets the focus.
 */
export function form({ fields, action, submit, further = [], kind = 'primary', label = null }) {
  const complaint = h('div', { class: 'complaint', role: 'alert' });
  const send = h('button', { type: 'submit', class: ['button', kind] }, h('span', {}, action));
  const element = h(
    'form', { class: 'form', novalidate: true, 'aria-label': label },
    fields, complaint, h('div', { class: 'form-actions' }, send, further),
  );
  element.addEventListener('submit', (event) => {
    event.preventDefault();
    clear(element, complaint);
    if (!check(element)) return;
    busy(send, () => submit(new FormData(element), element), (error) => show(element, complaint, error));
  });
  element.addEventListener('input', (event) => clearField(event.target.closest('.field')));
  return element;
}

function control(type, attributes, value, options) {
  if (type === 'textarea') return h('textarea', { rows: 3, ...attributes, value });
  if (type !== 'select') return h('input', { type, ...attributes, value });
  return h('select', attributes, options.map(([key, text]) => h('option', { value: key, selected: key === value }, text)));
}

/** Let the browser find what is wrong, and say it in our place. */
function check(element) {
  const wrong = [...element.elements].filter((one) => one.willValidate && !one.checkValidity());
  for (const one of wrong) sayWrong(one.closest('.field'), one.validationMessage);
  wrong[0]?.focus();
  return wrong.length === 0;
}

function show(element, complaint, error) {
  if (error.name === 'AbortError') return;
  const left = [];
  let first = null;
  for (const [name, message] of Object.entries(error.fields ?? {})) {
    const place = element.querySelector(`[data-field="${CSS.escape(name)}"]`);
    if (place) {
      sayWrong(place, message);
      first ??= place.querySelector('input, textarea, select');
    } else left.push(`${name}: ${message}`);
  }
  if (!first || left.length > 0) {
    fill(complaint, h('p', {}, left.length > 0 ? left.join(' · ') : error.message), error.advice && h('p', {}, error.advice));
  }
  first?.focus();
}

function sayWrong(place, message) {
  if (!place) return;
  fill(place.querySelector('.wrong'), message);
  for (const one of place.querySelectorAll('input, textarea, select')) one.setAttribute('aria-invalid', 'true');
}

function clearField(place) {
  if (!place) return;
  const wrong = place.querySelector('.wrong');
  if (wrong) fill(wrong);
  for (const one of place.querySelectorAll('[aria-invalid]')) one.removeAttribute('aria-invalid');
}

function clear(element, complaint) {
  fill(complaint);
  for (const place of element.querySelectorAll('[data-field]')) clearField(place);
}
