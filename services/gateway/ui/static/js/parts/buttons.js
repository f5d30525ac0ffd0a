/** Buttons that show that they work, cannot be pressed twice, and ask in place before they destroy. */

import { fill, h } from '../core/html.js';
import { icon } from './icons.js';
import { complain, notify } from './notices.js';

const COPIED_MS = 1500;

/**
 * A button that runs an async function. While that runs, further presses do nothing; its error becomes a note.
 * `kind` is "primary", "danger", "quiet" or null; `focus` names the button in a list that is drawn anew.
 */
export function button(label, run, { kind = null, icon: name = null, title = null, focus = null } = {}) {
  const element = h(
    'button', { type: 'button', class: ['button', kind], title, dataset: { focus } },
    name && icon(name), h('span', {}, label),
  );
  element.addEventListener('click', () => busy(element, run));
  return element;
}

/** Run an async function while `element` (a button) shows that it works; answers when it is done. */
export async function busy(element, run, report = complain) {
  if (element.getAttribute('aria-busy') === 'true') return;
  element.setAttribute('aria-busy', 'true');
  element.setAttribute('aria-disabled', 'true'); // `disabled` would drop the focus
  try {
    await run();
  } catch (error) {
    report(error);
  } finally {
    element.removeAttribute('aria-busy');
    element.removeAttribute('aria-disabled');
  }
}

/** A button that asks `question` in its own place before it runs; Escape or "No" takes the question back. */
export function asking(label, { question, yes = label, no = 'No, keep', run, kind = 'danger', icon: name = null, focus = null }) {
  const place = h('span', { class: 'asking' });
  const first = h('button', { type: 'button', class: ['button', 'small', kind === 'danger' && 'danger-text'], dataset: { focus } }, name && icon(name), h('span', {}, label));
  const ask = () => {
    const sure = button(yes, async () => {
      await run();
      if (place.isConnected) takeBack();
    }, { kind });
    const not = h('button', { type: 'button', class: 'button', onclick: takeBack }, no);
    fill(place, h('span', { class: 'question', role: 'group', 'aria-label': question }, h('span', {}, question), sure, not));
    not.focus();
  };
  const takeBack = () => {
    fill(place, first);
    first.focus();
  };
  first.addEventListener('click', ask);
  place.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || first.isConnected) return;
    event.preventDefault();
    event.stopPropagation();
    takeBack();
  });
  return fill(place, first);
}

/** A button that copies `text` (or what the function answers) and says so. */
export function copyButton(text, label = 'Copy') {
  const word = h('span', {}, label);
  const element = h('button', { type: 'button', class: 'button' }, icon('copy'), word);
  element.addEventListener('click', async () => {
    await copy(typeof text === 'function' ? text() : text, element);
    fill(word, 'Copied');
    notify('Copied to the clipboard.');
    setTimeout(() => fill(word, label), COPIED_MS);
  });
  return element;
}

/** Put text on the clipboard, also on plain HTTP, where browsers keep the modern way from pages. */
export async function copy(text, back = document.activeElement) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = h('textarea', { class: 'unseen', value: text, 'aria-hidden': 'true' });
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
  back?.focus();
}
