/**
 * One event stream for the whole tab, shared by all views (GET /events), open while a view listens.
 *
 *     listen({ status: (job) => ..., end: (job) => ..., reset: () => readAgain() }, signal);
 *
 * A browser allows six connections to a host on HTTP/1.1, over all tabs: so there is one, none while nobody listens,
 * and none while the tab has been hidden for a while. `Last-Event-ID` makes up for every gap; where there is none to go
 * on from (a fresh stream, or the server lost its data) listeners get `reset` and read again what they show.
 */

import { SIGNED_OUT, api } from './api.js';

/** Fired on `window` with the state in `detail`: "idle", "connecting", "live" or "lost". */
export const STREAM_STATE = 'slipway:stream';

const TYPES = ['status', 'end', 'build'];
const HIDDEN_MS = 30_000;
const LEAVE_MS = 500; // from one view to the next, the stream stays open
const BACKOFF_MS = [500, 1000, 2000, 3000]; // a gateway that restarts is back within seconds

const listeners = new Set();
let source = null;
let lastId = null;
let failures = 0;
let timer = null;
let state = 'idle';

/**
 * Call the handlers (`status`, `end` with a job; `build` with what a pipeline reported of a build; `reset` without
 * anything) until `signal` is aborted.
 */
export function listen(handlers, signal) {
  listeners.add(handlers);
  signal.addEventListener('abort', () => {
    listeners.delete(handlers);
    if (listeners.size === 0) later(LEAVE_MS, () => listeners.size === 0 && close('idle', { forget: true }));
  });
  if (!source) connect();
  else clearTimeout(timer);
}

/** The stream's state now. */
export function streamState() {
  return state;
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) later(HIDDEN_MS, () => document.hidden && close('idle', { forget: false }));
  else if (listeners.size > 0 && !source) connect();
});

function connect() {
  clearTimeout(timer);
  tell(failures ? 'lost' : 'connecting');
  const query = new URLSearchParams({ types: TYPES.join() });
  if (lastId) query.set('last_event_id', lastId);
  const opened = new EventSource(`/events?${query}`);
  source = opened;
  opened.onopen = () => {
    failures = 0;
    tell('live');
    if (lastId === null) emit('reset');
  };
  // The browser comes back by itself after a cut, but gives up after an answer that is no stream (502 of a proxy).
  opened.onerror = () => {
    failures += 1;
    tell('lost');
    if (opened.readyState === EventSource.CLOSED) {
      close('lost', { forget: false });
      api.get('/api/auth/session').catch(() => {}); // its 401 tells everybody that the session is over
      later(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1], () => listeners.size > 0 && !source && connect());
    }
  };
  for (const type of TYPES) {
    opened.addEventListener(type, (event) => {
      if (event.lastEventId) lastId = event.lastEventId;
      emit(type, JSON.parse(event.data));
    });
  }
  opened.addEventListener('reset', () => {
    lastId = null;
    emit('reset');
  });
  opened.addEventListener('denied', () => {
    close('idle', { forget: true });
    dispatchEvent(new CustomEvent(SIGNED_OUT));
  });
}

function emit(type, data) {
  for (const handlers of [...listeners]) handlers[type]?.(data);
}

function close(next, { forget }) {
  source?.close();
  source = null;
  if (forget) lastId = null;
  tell(next);
}

function later(delay_ms, run) {
  clearTimeout(timer);
  timer = setTimeout(run, delay_ms);
}

function tell(next) {
  if (state === next) return;
  state = next;
  dispatchEvent(new CustomEvent(STREAM_STATE, { detail: next }));
}
