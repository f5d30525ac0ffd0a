/**
 * What was typed and not saved, for as long as the tab is open: whoever follows a link and comes back finds it again.
 * Kept in memory only, for one person at a time.
 */

import { currentUser } from '../core/session.js';

const drafts = new Map();

/** Keep the values of a form under a name. */
export function keepDraft(name, values) {
  drafts.set(keyOf(name), values);
}

/** The values that were kept under a name, or null. */
export function findDraft(name) {
  return drafts.get(keyOf(name)) ?? null;
}

export function dropDraft(name) {
  drafts.delete(keyOf(name));
}

function keyOf(name) {
  return `${currentUser()?.id} ${name}`;
}
