/**
 * Lines that say how a log is divided. Pure.
 *
 * Only the runner's own words (level info and error) open and end a step; the same marks in a program's output make
 * groups inside of a step, so that no program can end its step or pretend another one.
 */

const OPENS = '::group::';
const ENDS = '::endgroup::';
const EXIT = /^exit code (-?\d+) after [\d.]+ s$/;
const ALLOWED = /^step .* is allowed to fail$/s;

/** A mark {n, time, own, type, name?, code?}, or null; `own` when the runner says it. */
export function markOf(n, message, level, time) {
  const own = level === 'info' || level === 'error';
  if (message.startsWith(OPENS)) return { n, time, own, type: 'opens', name: message.slice(OPENS.length).trim() };
  if (message.startsWith(ENDS)) return { n, time, own, type: 'ends' };
  if (!own) return null;
  const exit = EXIT.exec(message);
  if (exit !== null) return { n, time, own, type: 'exit', code: Number(exit[1]), failed: level === 'error' };
  if (ALLOWED.test(message)) return { n, time, own, type: 'allowed' };
  return level === 'error' ? { n, time, own, type: 'error' } : null;
}
