/** What can be done with a build: cancel, run again, reset, put into a channel and take out of it. */

import { api, intents } from '../core/api.js';
import { asking, button } from '../parts/buttons.js';
import { announce, notify } from '../parts/notices.js';
import { isOver } from './words.js';

const CHANNELS = ['stable', 'testing'];

/** The buttons for a build (BuildView) as it stands. `changed()` is async: read it again. */
export function actions(build, changed) {
  if (!isOver(build)) return [build.error && reset(build, changed), cancel(build, changed)];
  if (build.executor === 'external') return build.status === 'failure' && reset(build, changed);
  const hasFailedJobs = build.executor === 'github' && build.status === 'failure' && build.run_id !== null;
  return [rerun('Run again', build, false, changed), hasFailedJobs && rerun('Run failed jobs again', build, true, changed)];
}

/** The channels of a build that can be in one: which it is in, and the way in and out. */
export function channels(build, changed) {
  const path = `/api/v1/builds/${encodeURIComponent(build.uid)}`;
  const isImage = build.platform && build.os_version && build.image_type;
  if (build.status !== 'success' || !isImage) return null;
  return CHANNELS.map((channel) => {
    if (!build.channels.includes(channel)) {
      return button(`Promote to ${channel}`, async () => {
        await api.post(`${path}/promote`, { channel });
        notify(`${channel} offers this build now.`);
        await changed();
      }, { focus: channel });
    }
    return asking(`Revoke from ${channel}`, {
      question: `Take it out of ${channel}? What was promoted before it is offered again.`, yes: 'Yes, revoke', focus: channel,
      run: async () => {
        await api.post(`${path}/revoke`, { channel });
        notify(`${channel} offers this build no more.`);
        await changed();
      },
    });
  });
}

function cancel(build, changed) {
  const whose = build.executor === 'external' ? 'It takes no more states then; its pipeline is not told.' : 'Its work is undone.';
  return asking('Cancel', {
    question: `Cancel this build? ${whose}`, yes: 'Cancel it', no: 'No', icon: 'close', focus: 'cancel',
    run: async () => {
      await api.post(`/api/build/${build.id}/cancel`);
      announce('The build is being cancelled');
      await changed();
    },
  });
}

function rerun(label, build, failedOnly, changed) {
  const once = intents();
  return button(label, async () => {
    await api.post(`/api/build/${build.id}/rerun`, { failed_only: failedOnly }, { intent: once() });
    notify(failedOnly ? 'Its failed jobs run again.' : 'It runs again.');
    await changed();
  }, { icon: 'retry', focus: failedOnly ? 'rerun-failed' : 'rerun' });
}

function reset(build, changed) {
  return asking('Reset', {
    question: 'Let its pipeline go on from where it failed?', yes: 'Yes, reset', kind: 'primary', icon: 'retry', focus: 'reset',
    run: async () => {
      await api.post(`/builds/${encodeURIComponent(build.uid)}/reset`);
      notify('The build was reset: its pipeline can go on.');
      await changed();
    },
  });
}
