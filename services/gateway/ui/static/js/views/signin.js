/** Sign in. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { navigate } from '../core/router.js';
import { currentUser, signIn } from '../core/session.js';
import { field, form } from '../parts/forms.js';

const HOME = '/ui/jobs';

export default async function signin({ query, signal, title }) {
  title('Sign in');
  const next = safeNext(query.get('next'));
  if (currentUser() !== null) {
    queueMicrotask(() => navigate(next, { replace: true }));
    return h('div');
  }
  const options = await api.get('/api/auth/options', { signal, quiet: true }).catch(() => ({ signups: false }));
  return h(
    'div', { class: 'narrow' },
    h('h1', { tabindex: '-1' }, 'Sign in'),
    query.has('next') && h('p', { class: 'muted' }, 'Sign in to see this page; you will be back here at once.'),
    form({
      action: 'Sign in',
      label: 'Sign in',
      fields: [
        field({ label: 'User name or e-mail', name: 'username', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true, autofocus: true }),
        field({ label: 'Password', name: 'password', type: 'password', autocomplete: 'current-password', required: true }),
      ],
      submit: async (values) => {
        await signIn(values.get('username'), values.get('password'));
        await navigate(next, { replace: true });
      },
      further: [options.signups && h('a', { href: signupAddress(query) }, 'Make an account')],
    }),
  );
}

/** Where to go afterwards: only a place of our own, so that no link can send people elsewhere. */
export function safeNext(text) {
  if (!text) return HOME;
  const url = new URL(text, location.origin); // takes out "..", by which a path could become another host's
  const isOurs = url.origin === location.origin && (url.pathname === '/ui' || url.pathname.startsWith('/ui/'));
  return isOurs ? url.pathname + url.search + url.hash : HOME;
}

function signupAddress(query) {
  const next = query.get('next');
  return next ? `/ui/signup?${new URLSearchParams({ next })}` : '/ui/signup';
}
