/**
 * A stream of server-sent events (HTML standard, 9.2) that outlives its connections.
 *
 * The browser's EventSource gives up after any answer but 200, cannot begin behind a position and does not tell 204
 * from 401; so this reads the stream by fetch, and comes back with `Last-Event-ID` as EventSource does.
 */

const SILENCE_MS = 45_000; // three of the server's comments are missing: the connection is dead
const LONGEST_WAIT_MS = 5000; // somebody waits in front of it; the server spreads clients by `retry`
const SLICE_MS = 10; // then the browser paints and takes keys, also when a whole log is there at once

/** Cuts text into events {type, data, id}; `id` is null for an event without one. Pure. */
export class EventParser {
  #held = '';
  #fields = new Map();
  /** What the server asked for, null when it did not. */
  retry_ms = null;

  /** Take what came, cut anywhere; answers the events that are whole now. */
  feed(text) {
    const events = [];
    const lines = (this.#held + text).split(/\r\n|\n|\r(?!$)/);
    this.#held = lines.pop();
    for (const line of lines) {
      if (line !== '') this.#take(line);
      else if (this.#fields.size > 0) events.push(this.#event());
    }
    return events;
  }

  #take(line) {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data' && this.#fields.has('data')) this.#fields.set('data', `${this.#fields.get('data')}\n${value}`);
    else if (name === 'data' || name === 'event' || name === 'id') this.#fields.set(name, value);
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry_ms = Number(value);
  }

  #event() {
    const event = {
      type: this.#fields.get('event') || 'message',
      data: this.#fields.get('data') ?? null,
      id: this.#fields.get('id') ?? null,
    };
    this.#fields.clear();
    return event;
  }
}

/**
 * Follow a stream until `signal` is aborted, `onEvent` answers false, or the server says that there is no more.
 *
 * `onEvent({type, data, id})` takes each event; what it throws ends the stream. `onState(state, wait_ms)` is told
 * `connecting`, `live`, `waiting` (comes back in `wait_ms`) and `over`. Answers what ended it: `done`, `over` (204), or
 * the refusing response's status.
 */
export async function follow(url, { lastEventId = null, signal, onEvent, onState }) {
  let failures = 0;
  let retry_ms = 1000;
  let last = lastEventId;
  while (true) {
    onState('connecting', 0);
    const connection = new Connection(url, last, signal);
    try {
      const refused = await connection.open();
      if (refused !== null && refused < 500 && refused !== 429) {
        onState('over', 0);
        return refused === 204 ? 'over' : refused;
      }
      if (refused === null) {
        onState('live', 0);
        for await (const event of connection.events()) {
          failures = 0;
          last = event.id ?? last;
          if (onEvent(event) === false) {
            onState('over', 0);
            return 'done';
          }
        }
      }
    } catch (error) {
      if (signal.aborted) return 'done';
      if (!(error instanceof ConnectionLost)) throw error;
    } finally {
      connection.close();
    }
    retry_ms = connection.retry_ms ?? retry_ms;
    const wait_ms = Math.min(retry_ms * 2 ** Math.min(failures, 10), Math.max(LONGEST_WAIT_MS, retry_ms));
    failures += 1;
    onState('waiting', wait_ms);
    await pause(wait_ms, signal);
    if (signal.aborted) return 'done';
  }
}

class ConnectionLost extends Error {}

class Connection {
  #url;
  #last;
  #parser = new EventParser();
  #abort = new AbortController();
  #signal;
  #response = null;
  #silence = null;

  constructor(url, last, signal) {
    this.#url = url;
    this.#last = last;
    this.#signal = AbortSignal.any([signal, this.#abort.signal]);
  }

  get retry_ms() {
    return this.#parser.retry_ms;
  }

  /** Answers null for a stream, else the status of the refusal. */
  async open() {
    const headers = { Accept: 'text/event-stream' };
    if (this.#last !== null) headers['Last-Event-ID'] = this.#last;
    this.#listen();
    const asked = { headers, signal: this.#signal, cache: 'no-store', credentials: 'same-origin' };
    this.#response = await fetch(this.#url, asked).catch(lost);
    return this.#response.status === 200 ? null : this.#response.status;
  }

  async *events() {
    const reader = this.#response.body.pipeThrough(new TextDecoderStream()).getReader();
    let begun_ms = performance.now();
    while (true) {
      const { done, value } = await reader.read().catch(lost);
      if (done) return;
      this.#listen();
      for (const event of this.#parser.feed(value)) {
        yield event;
        if (performance.now() - begun_ms < SLICE_MS) continue;
        await new Promise((resume) => setTimeout(resume));
        begun_ms = performance.now();
      }
    }
  }

  close() {
    clearTimeout(this.#silence);
    this.#abort.abort();
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#abort.abort(), SILENCE_MS);
  }
}

function lost(error) {
  throw new ConnectionLost('the connection is lost', { cause: error });
}

/** Wait, but not when the network has just come back or nobody waits any more. */
function pause(ms, signal) {
  return new Promise((resume) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      removeEventListener('online', done);
      signal.removeEventListener('abort', done);
      resume();
    }
    addEventListener('online', done);
    signal.addEventListener('abort', done);
  });
}
