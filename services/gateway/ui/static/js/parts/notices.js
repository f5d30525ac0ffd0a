/** Telling people what happened: a line for screen readers, notes in the corner, panels in place of a view. */

import { fill, h } from '../core/html.js';
import { icon } from './icons.js';

// Long enough to read a sentence twice; errors stay until they are dismissed.
const GOOD_NEWS_MS = 6000;

const speaker = h('div', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
const corner = h('div', { class: 'notes', role: 'region', 'aria-label': 'Notifications' });

/** Put the live regions into the document; called once. */
export function mount(parent) {
  parent.append(speaker, corner);
}

/** Say something to those who do not see it. */
export function announce(text) {
  fill(speaker, text);
}

/** Show a short note that something was done. */
export function notify(text) {
  note('good', 'status', [text]);
}

/** Show an error with what to do next; stays until it is dismissed. */
export function complain(error) {
  if (error.name === 'AbortError') return;
  note('bad', 'alert', sentences(error));
}

/** A panel that stands where a view could not be shown, with a way on. */
export function problem(error, retry) {
  const [message, advice] = sentences(error);
  return h(
    'section', { class: 'panel problem', role: 'alert' },
    h('h2', {}, icon('warning'), message),
    advice && h('p', {}, advice),
    retry && h('p', {}, h('button', { type: 'button', class: 'button', onclick: retry }, 'Try again')),
  );
}

/** A panel for a list that has nothing: what it would show, and what to do to get there. */
export function empty(title, ...next) {
  return h('section', { class: 'panel empty' }, h('h2', {}, title), ...next);
}

function note(tone, role, [text, advice]) {
  const element = h(
    'div', { class: `note tone-${tone}`, role },
    icon(tone === 'good' ? 'check' : 'warning'),
    h('div', {}, h('p', {}, text), advice && h('p', { class: 'muted' }, advice)),
    h('button', { type: 'button', class: 'button quiet', 'aria-label': 'Dismiss', onclick: () => element.remove() }, icon('close')),
  );
  corner.append(element);
  if (tone === 'good') setTimeout(() => element.remove(), GOOD_NEWS_MS);
}

function sentences(error) {
  return [error.message ?? String(error), error.advice ?? null];
}
