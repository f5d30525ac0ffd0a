/** What can be copied out of a job page, as text. Pure. */

/** A command that reads the log; the token stays with whoever runs it. `jobId` is a UUID, so nothing needs quoting. */
export function asCurl(origin, jobId, isActive) {
  const form = isActive ? 'text/event-stream' : 'text/plain';
  return `curl -fsSN '${origin}/jobs/${jobId}/logs' -H "Authorization: Bearer $SLIPWAY_TOKEN" -H 'Accept: ${form}'`;
}

/** Lines as a reader sees them, without those that are not here. */
export function asText(lines, { first, last }) {
  const texts = [];
  for (let n = first; n <= last; n += 1) if (lines.has(n)) texts.push(lines.text(n));
  return `${texts.join('\n')}\n`;
}

/** 1234 -> "1,234 lines". */
export function countOf(n, word) {
  return `${n.toLocaleString('en')} ${word}${n === 1 ? '' : 's'}`;
}
