/** How far a build is: a bar from 0 to 100 with the stage it stands in, and how long it took so far. */

import { h } from '../core/html.js';
import { elapsed } from '../core/time.js';
import { isOver } from './words.js';

const TONES = { pending: 'wait', queued: 'wait', in_progress: 'run', success: 'good', failure: 'bad', cancelled: 'none' };
const SAYINGS = {
  pending: () => 'Not begun yet',
  queued: () => 'Waits to be run',
  in_progress: (stage) => stage ?? 'Under way',
  success: () => 'Done',
  failure: (stage) => (stage ? `Failed at: ${stage}` : 'Failed'),
  cancelled: (stage) => (stage ? `Cancelled at: ${stage}` : 'Cancelled'),
};

/** The bar of a build (BuildView). */
export function progress(build) {
  return h(
    'section', { class: `build-bar tone-${TONES[build.status] ?? 'none'}`, 'aria-label': 'Progress' },
    h('div', { class: 'build-bar-line' },
      h('strong', { class: 'build-code number' }, `${build.state_code} %`),
      h('span', { class: 'build-stage' }, SAYINGS[build.status]?.(build.stage) ?? build.stage),
      build.started_at && h('span', { class: 'muted number' }, isOver(build) ? 'took ' : '', elapsed(build.started_at, build.finished_at))),
    h('progress', { max: 100, value: build.state_code, 'aria-label': `Progress of the build, ${build.state_code} of 100` }),
  );
}
