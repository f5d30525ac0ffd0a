/**
 * Talking to the gateway: JSON in, JSON out, errors as words for people.
 *
 *     const page = await api.get('/jobs', { query: { status: 'failed' }, signal });
 *     await api.post(`/jobs/${id}/cancel`);
 *
 * The browser's session cookie goes along by itself; what changes something carries the CSRF token, which is kept in
 * memory only.
 */

import { learn } from './time.js';

/** Fired on `window` when the gateway says that nobody is signed in. */
export const SIGNED_OUT = 'slipway:signed-out';

const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
let csrfToken = null;

/** What the gateway refused, or that it could not be reached (status 0). `message` is for people. */
export class ApiError extends Error {
  constructor({ status, code, message, details = null, retryAfter_s = null, requestId = null }) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfter_s = retryAfter_s;
    this.requestId = requestId;
  }

  /** What to do next, or null when the message says it already. */
  get advice() {
    if (this.status === 0) return 'Check the connection; nothing was changed unless the list shows it.';
    if (this.status === 429) return `Too much at once. Try again in ${this.retryAfter_s ?? 'a few'} seconds.`;
    if (this.status === 503) return 'Try again in a moment. Work that was accepted is not lost.';
    if (this.status >= 500) return `The operator finds this in the log as request ${this.requestId}.`;
    if (this.code === 'MISSING_SCOPE') return `Ask for the scope ${this.details?.scope}.`;
    return null;
  }

  /** The message of a wrong field, by its name; {} for any other error. */
  get fields() {
    if (this.code !== 'VALIDATION_ERROR' || !Array.isArray(this.details)) return {};
    return Object.fromEntries(this.details.map((one) => [fieldName(one.loc), one.msg]));
  }
}

export const api = {
  get: (path, options) => send('GET', path, undefined, options),
  post: (path, body, options) => send('POST', path, body, options),
  put: (path, body, options) => send('PUT', path, body, options),
  patch: (path, body, options) => send('PATCH', path, body, options),
  delete: (path, options) => send('DELETE', path, undefined, options),
};

/** Keep the CSRF token of the session; null: nobody is signed in. */
export function setCsrfToken(token) {
  csrfToken = token;
}

/**
 * Make a function that answers the `Idempotency-Key` of a body: sending the same again, because no answer came, is the
 * same intent; another body is another one. One per form or button.
 */
export function intents() {
  const keys = new Map();
  return (body) => {
    const text = JSON.stringify(body ?? null);
    if (!keys.has(text)) keys.set(text, randomKey());
    return keys.get(text);
  };
}

/** `path` with `query`; null, undefined and '' are left out. */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/**
 * Send a request and answer its JSON; null for an empty answer.
 *
 * `options`: `query`, `headers`, `signal`, `quiet` (401 is an ordinary error), `intent` (an Idempotency-Key).
 * Throws ApiError, or the AbortError of `signal`.
 */
async function send(method, path, body, options = {}, again = true) {
  const headers = { Accept: 'application/json', ...options.headers };
  if (UNSAFE.has(method) && csrfToken) headers['X-CSRF-Token'] = csrfToken;
  if (options.intent) headers['Idempotency-Key'] = options.intent;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const request = { method, headers, signal: options.signal, credentials: 'same-origin', cache: 'no-store' };
  if (body !== undefined) request.body = JSON.stringify(body);

  let response;
  try {
    response = await fetch(address(path, options.query), request);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError({ status: 0, code: 'UNREACHABLE', message: 'Slipway does not answer.' });
  }
  learn(response.headers.get('Date'));
  if (response.ok) return response.status === 204 ? null : readJson(response);

  const refused = await readError(response);
  if (refused.code.startsWith('CSRF') && again && (await renewCsrfToken())) return send(method, path, body, options, false);
  if (response.status === 401 && !options.quiet) window.dispatchEvent(new CustomEvent(SIGNED_OUT));
  throw refused;
}

async function readJson(response) {
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

async function readError(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // A proxy's own page: its status is all that it tells us.
  }
  const wait = Number(response.headers.get('Retry-After'));
  return new ApiError({
    status: response.status,
    code: error.code ?? `HTTP_${response.status}`,
    message: error.message ?? `Slipway answered ${response.status}.`,
    details: error.details,
    retryAfter_s: wait > 0 ? wait : null,
    requestId: response.headers.get('X-Request-ID'),
  });
}

/** Another tab may have signed in anew: then this one's token is the old session's. */
async function renewCsrfToken() {
  const response = await fetch('/api/auth/session', { headers: { Accept: 'application/json' }, cache: 'no-store' });
  if (!response.ok) return false;
  const before = csrfToken;
  csrfToken = (await response.json()).csrf_token;
  return csrfToken !== before;
}

function randomKey() {
  // Not crypto.randomUUID(): that is missing on plain HTTP, which is how many try a first installation.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** ["body", "filters", "branches", 0] -> "filters.branches"; the form's names are made the same way. */
function fieldName(loc) {
  return loc
    .slice(1)
    .filter((step) => typeof step === 'string')
    .join('.');
}
