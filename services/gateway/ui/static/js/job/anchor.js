/** Links to lines: `#L120` and `#L120-L140`. Pure. */

const LINK = /^#L([1-9]\d{0,14})(?:-L?([1-9]\d{0,14}))?$/;

/** Read a location's hash: {first, last} in order, or null when it names no line. */
export function parseAnchor(hash) {
  const match = LINK.exec(hash);
  if (match === null) return null;
  const one = Number(match[1]);
  const other = match[2] === undefined ? one : Number(match[2]);
  return { first: Math.min(one, other), last: Math.max(one, other) };
}

/** Write a range as a hash; null is no range. */
export function formatAnchor(range) {
  if (range === null) return '';
  return range.first === range.last ? `#L${range.first}` : `#L${range.first}-L${range.last}`;
}

/** The range from a chosen line to another that is clicked with Shift; without a chosen one the other alone. */
export function extendAnchor(range, origin, n) {
  if (range === null) return { first: n, last: n };
  return { first: Math.min(origin, n), last: Math.max(origin, n) };
}
