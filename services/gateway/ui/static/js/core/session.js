/** Who is signed in: read once at the start, then changed by signing in and out. */

import { api, setCsrfToken } from './api.js';

let user = null;

/** The signed-in user (UserView), or null. */
export function currentUser() {
  return user;
}

/** Ask the gateway who is signed in; null when nobody is. Throws ApiError when it does not answer. */
export async function readSession() {
  try {
    keep(await api.get('/api/auth/session', { quiet: true }));
  } catch (error) {
    if (error.status !== 401) throw error;
    keep(null);
  }
  return user;
}

/** Sign in; `name` is a user name or e-mail address. Throws ApiError. */
export async function signIn(name, password) {
  await api.post('/api/auth/login', { username: name, password }, { quiet: true });
  return readSession();
}

export async function signOut() {
  await api.post('/api/auth/logout', undefined, { quiet: true });
  keep(null);
}

/** Forget who was signed in, because the gateway has. */
export function forget() {
  keep(null);
}

function keep(session) {
  user = session?.user ?? null;
  setCsrfToken(session?.csrf_token ?? null);
}
