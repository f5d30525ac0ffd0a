/**
 * Times and lengths of time as people read them; the ones on the page keep themselves up to date.
 *
 * The server's clock counts: `learn` is told it with every answer, so that a laptop whose clock is wrong does not show
 * jobs that began in the future.
 */

import { h } from './html.js';

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
// The Date header has whole seconds and the answer was under way: less than this is no difference.
const NOTICEABLE_MS = 2000;
const TICK_MS = 1000;

let ahead_ms = 0;

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayAndTime = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

/** The server's time now, in milliseconds. */
export function now() {
  return Date.now() + ahead_ms;
}

/** Take the Date header of an answer. */
export function learn(header) {
  const difference = header ? Date.parse(header) - Date.now() : NaN;
  if (Number.isNaN(difference)) return;
  ahead_ms = Math.abs(difference) > NOTICEABLE_MS ? difference : 0;
}

/** 0.4 -> "0.4 s", 12 -> "12 s", 64 -> "1m 04s", 7380 -> "2h 03m", 273600 -> "3d 4h"; null -> "–". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  if (seconds < 10) return `${(Math.floor(Math.max(0, seconds) * 10) / 10).toFixed(1)} s`;
  const s = Math.floor(seconds);
  if (s < MINUTE_S) return `${s} s`;
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)}m ${pad(s % MINUTE_S)}s`;
  if (s < DAY_S) return `${Math.floor(s / HOUR_S)}h ${pad(Math.floor((s % HOUR_S) / MINUTE_S))}m`;
  return `${Math.floor(s / DAY_S)}d ${Math.floor((s % DAY_S) / HOUR_S)}h`;
}

/**
 * How long ago (or ahead) a moment is, against `at` (milliseconds): "just now", "5 min ago", "in 2 h", and after a week
 * its date, "Nov 3, 14:02"; with `always` also then "12 d ago".
 */
export function relative(iso, at = now(), { always = false } = {}) {
  const seconds = Math.round((at - Date.parse(iso)) / 1000);
  const distance = Math.abs(seconds);
  const words = (count, unit) => (seconds >= 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`);
  if (distance < 5) return 'just now';
  if (distance < MINUTE_S) return words(distance, 's');
  if (distance < HOUR_S) return words(Math.floor(distance / MINUTE_S), 'min');
  if (distance < DAY_S) return words(Math.floor(distance / HOUR_S), 'h');
  if (always || distance < 7 * DAY_S) return words(Math.floor(distance / DAY_S), 'd');
  return dayAndTime.format(Date.parse(iso));
}

/** The moment in full, for titles. */
export function full(iso) {
  return absolute.format(Date.parse(iso));
}

/** The moment's hour and minute. */
export function clock(iso) {
  return clockTime.format(Date.parse(iso));
}

/** An element that tells how long ago a moment is and goes on telling it; `none` is shown for null; `always`: see above. */
export function ago(iso, none = 'never', { always = false } = {}) {
  if (!iso) return h('span', { class: 'muted' }, none);
  return h('time', { datetime: iso, title: full(iso), dataset: { ago: always ? 'always' : '' } }, relative(iso, now(), { always }));
}

/** An element with the time from `start` to `end`, or up to now while `end` is null; it ticks. */
export function elapsed(start, end) {
  if (!start) return h('span', { class: 'muted' }, '–');
  if (end) return h('span', { class: 'number' }, duration((Date.parse(end) - Date.parse(start)) / 1000));
  return h('span', { class: 'number', dataset: { since: start } }, duration((now() - Date.parse(start)) / 1000));
}

/** Keep every `ago` and `elapsed` of the document up to date; called once. */
export function startClock() {
  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll('time[data-ago]')) {
      say(time, relative(time.dateTime, now(), { always: time.dataset.ago === 'always' }));
    }
    for (const span of document.querySelectorAll('[data-since]')) {
      say(span, duration((now() - Date.parse(span.dataset.since)) / 1000));
    }
  }, TICK_MS);
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function pad(number) {
  return String(number).padStart(2, '0');
}
