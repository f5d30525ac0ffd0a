/**
 * Keys: views bind them for as long as they are shown, and the `?` sheet lists what is bound now.
 *
 *     bind('Jobs', { j: ['Next job', next], 'g j': ['Jobs', () => navigate('/ui/jobs')] }, signal);
 *
 * A key is one character or name (`Enter`, `]`), or two in a row with a space between. Nothing fires while somebody
 * types, except Escape.
 */

// Long enough to find the second key of "g j".
const SEQUENCE_MS = 1200;

const bound = new Set();
let first = null;
let firstAt_ms = 0;

/** Bind keys under a heading until `signal` is aborted; without one, for ever. The newest binding of a key wins. */
export function bind(heading, keys, signal) {
  const group = { heading, keys: new Map(Object.entries(keys)) };
  bound.add(group);
  signal?.addEventListener('abort', () => bound.delete(group));
}

/** What is bound now: [heading, [[key, label], ...]], oldest first. */
export function sheet() {
  return [...bound].map(({ heading, keys }) => [heading, [...keys].map(([key, [label]]) => [key, label])]);
}

/** Listen; called once. */
export function listen() {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) && event.key !== 'Escape') return;
    if (document.querySelector('dialog[open]') && event.key !== '?') return;
    const pair = first !== null && event.timeStamp - firstAt_ms < SEQUENCE_MS ? `${first} ${event.key}` : null;
    const run = (pair && find(pair)) ?? find(event.key);
    first = run ? null : event.key;
    firstAt_ms = event.timeStamp;
    if (run && run(event) !== false) event.preventDefault();
  });
}

function find(key) {
  const owner = [...bound].reverse().find(({ keys }) => keys.has(key));
  return owner?.keys.get(key)[1] ?? null;
}

function isTyping(target) {
  return target.closest?.('input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]') !== null;
}
