/** Times of a log, as words. Pure; all in milliseconds. */

/** The time of day at which a line was written, where the reader lives: `18:00:02.120`. */
export function clock(ms) {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${three(at.getMilliseconds())}`;
}

/** How long after the log's beginning: `+0:02.120`, `+1:03:20.500`. */
export function since(ms, beginning) {
  const all = Math.max(0, Math.round(ms - beginning));
  const s = Math.floor(all / 1000);
  const minutes = Math.floor(s / 60) % 60;
  const hours = Math.floor(s / 3600);
  const head = hours > 0 ? `${hours}:${two(minutes)}` : `${minutes}`;
  return `+${head}:${two(s % 60)}.${three(all % 1000)}`;
}

function two(n) {
  return String(n).padStart(2, '0');
}

function three(n) {
  return String(n).padStart(3, '0');
}
