/** What stands above and below a log: search, switches, things to copy; the stream's state and the way back to the end. */

import { fill, h } from '../core/html.js';
import { copy } from '../parts/buttons.js';
import { icon } from '../parts/icons.js';
import { announce, notify } from '../parts/notices.js';
import { isActive } from './outline.js';
import { asCurl, asText, countOf } from './text.js';

const TYPING_MS = 120;
const TIMES_WORDS = { off: 'off', clock: 'time of day', since: 'since start' };

/** Make the bar above a log: {element, update(job), actions}. */
export function toolbar(view, jobId, signal) {
  let active = true;
  let timer = 0;
  const field = h('input', {
    type: 'search', class: 'log-query', placeholder: 'Search the log', 'aria-label': 'Search the log', autocomplete: 'off',
    spellcheck: 'false', dataset: { filter: '' },
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(look, TYPING_MS);
    },
    onkeydown: (event) => {
      if (event.key === 'Enter') {
        event.preventDefault();
        if (timer !== 0) look();
        else view.toHit(event.shiftKey);
      } else if (event.key === 'Escape') {
        event.preventDefault();
        field.value = '';
        look();
        view.pane.focus({ preventScroll: true });
      }
    },
  });
  const count = h('span', { class: 'log-count number', role: 'status' });
  const previous = small('Previous hit', 'p', 'down', () => view.toHit(true));
  const next = small('Next hit', 'n', 'down', () => view.toHit());
  const follow = toggle('Follow', 'f', () => view.follow());
  const times = toggle('Times', 't', () => turnTimes());
  const wrap = toggle('Wrap', 'w', () => view.toggleWrap());
  const curl = h('button', { type: 'button', class: 'button quiet', title: 'Copy a curl command that reads this log' }, 'Copy curl');
  curl.addEventListener('click', () => say(asCurl(location.origin, jobId, active), 'The command was copied. It takes its token from $SLIPWAY_TOKEN.'));
  const raw = h(
    'a', { class: 'button quiet', href: `/jobs/${encodeURIComponent(jobId)}/logs?format=text`, download: `${jobId}.log` },
    'Raw',
  );
  signal.addEventListener('abort', () => clearTimeout(timer));

  function look() {
    clearTimeout(timer);
    timer = 0;
    view.find(field.value);
  }

  function turnTimes() {
    view.turnTimes();
    announce(`Times: ${TIMES_WORDS[view.times]}`);
  }

  return {
    element: h(
      'div', { class: 'log-bar', role: 'group', 'aria-label': 'Reading the log' },
      h('div', { class: 'log-search' }, field, count, previous, next),
      h('div', { class: 'log-switches' }, follow, times, wrap, curl, raw),
    ),
    turnTimes,
    update(job) {
      active = isActive(job.status);
      const { search } = view;
      const hits = search.hits.length;
      fill(count, search.query === '' ? '' : `${hits === 0 ? 0 : view.hitPlace || '–'}/${hits}${search.isBusy || !view.lines.isWhole ? '…' : ''}`);
      count.title = search.query === '' ? '' : `${countOf(hits, 'line')} found`;
      previous.disabled = next.disabled = hits === 0;
      follow.hidden = !active;
      press(follow, view.follows);
      press(times, view.times !== 'off', `Times: ${TIMES_WORDS[view.times]}`);
      press(wrap, view.wraps);
    },
  };
}

/** Make the bar that stands over a log while lines are chosen: {element, update(), copyLink, copyLines}. */
export function chosenBar(view) {
  const words = h('span', { class: 'number' });
  const copyLink = () => {
    if (view.range === null) view.choose(view.place);
    return say(location.href, 'The link was copied.');
  };
  const copyLines = () => say(asText(view.lines, view.place), 'The lines were copied.');
  const element = h(
    'div', { class: 'log-chosen', role: 'group', 'aria-label': 'Chosen lines', hidden: true },
    words,
    h('button', { type: 'button', class: 'button', onclick: copyLink }, icon('copy'), 'Link'),
    h('button', { type: 'button', class: 'button', onclick: copyLines }, icon('copy'), 'Text'),
    h('button', { type: 'button', class: 'button quiet', 'aria-label': 'Choose no lines', onclick: () => view.choose(null) }, icon('close')),
  );
  return {
    element,
    copyLink,
    copyLines,
    update() {
      element.hidden = view.range === null;
      if (view.range === null) return;
      const { first, last } = view.range;
      fill(words, first === last ? `Line ${first}` : `Lines ${first}–${last}`);
    },
  };
}

/** Make the button that leads back to the end of a log: {element, update(job)}. */
export function jumpButton(view) {
  const words = h('span', { class: 'number' });
  const element = h('button', { type: 'button', class: 'button primary log-jump', hidden: true, onclick: () => view.follow(true) }, icon('down'), words);
  return {
    element,
    update(job) {
      element.hidden = view.follows || !isActive(job.status);
      fill(words, view.news === 0 ? 'Jump to live' : `Jump to live · ${countOf(view.news, 'new line')}`);
    },
  };
}

/** Make the line that says whether the log is live: {element, state(name, wait_ms), update()}. */
export function streamLine(view) {
  const words = h('span', { role: 'status' });
  const size = h('span', { class: 'number' });
  const element = h('div', { class: 'log-foot', dataset: { stream: 'idle' } }, words, size);
  let wasLost = false;
  return {
    element,
    /** See feed.js. */
    state(name, wait_ms) {
      const isBack = name === 'live' && wasLost;
      if (name === 'waiting') wasLost = true;
      if (name === 'connecting' && wasLost) return; // it was said, and a try takes a moment
      if (isBack) wasLost = false;
      element.dataset.stream = name;
      fill(words, {
        connecting: 'Connecting…',
        live: isBack ? 'Live again: nothing was missed' : 'Live',
        waiting: `The connection is lost; trying again in ${Math.max(1, Math.round(wait_ms / 1000))} s. Nothing will be missed.`,
        ended: 'The log is complete',
      }[name]);
    },
    update() {
      const here = view.lines.regions.reduce((sum, region) => sum + region.last - region.first + 1, 0);
      const part = view.lines.isWhole ? '' : `${here.toLocaleString('en')} of `;
      fill(size, `${part}${countOf(view.lines.last, 'line')}`);
    },
  };
}

async function say(text, words) {
  await copy(text);
  notify(words);
}

function toggle(label, key, run) {
  return h('button', { type: 'button', class: 'button quiet', 'aria-pressed': 'false', title: `${label} (${key})`, onclick: run }, label);
}

function small(label, key, name, run) {
  return h('button', { type: 'button', class: 'button quiet', 'aria-label': label, title: `${label} (${key})`, onclick: run }, icon(name));
}

function press(button, isPressed, label = button.textContent) {
  button.setAttribute('aria-pressed', String(isPressed));
  if (button.textContent !== label) fill(button, label);
}
