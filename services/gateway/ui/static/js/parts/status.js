/** Statuses as people see them: an icon of its own shape, a word and a colour, never the colour alone. */

import { h } from '../core/html.js';
import { icon } from './icons.js';

const LOOKS = {
  pending: ['clock', 'wait', 'Pending'],
  running: ['running', 'run', 'Running'],
  queued: ['clock', 'wait', 'Queued'],
  in_progress: ['running', 'run', 'Running'],
  success: ['check', 'good', 'Success'],
  failed: ['cross', 'bad', 'Failed'],
  failure: ['cross', 'bad', 'Failed'],
  cancelled: ['skipped', 'none', 'Cancelled'],
  accepted: ['check', 'good', 'Accepted'],
  ignored: ['skipped', 'none', 'Ignored'],
  refused: ['cross', 'bad', 'Refused'],
  active: ['check', 'good', 'Active'],
  inactive: ['skipped', 'none', 'Inactive'],
  paused: ['pause', 'wait', 'Paused'],
  expired: ['clock', 'none', 'Expired'],
  revoked: ['skipped', 'none', 'Revoked'],
  closed: ['cross', 'bad', 'Failed'],
};

/** A badge; `word` replaces the status's own. */
export function badge(status, word) {
  const [name, tone, own] = LOOKS[status] ?? ['skipped', 'none', status];
  return h('span', { class: `badge tone-${tone}`, dataset: { status } }, icon(name), h('span', {}, word ?? own));
}

/** The word and look of a job: one that is being cancelled says so. */
export function jobBadge(job) {
  return badge(job.status, job.cancel_requested && !isEnded(job) ? 'Cancelling' : undefined);
}

export function isEnded(job) {
  return job.status === 'success' || job.status === 'failed' || job.status === 'cancelled';
}
