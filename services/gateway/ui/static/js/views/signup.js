/** Make an account, then be signed in. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { navigate } from '../core/router.js';
import { signIn } from '../core/session.js';
import { field, form } from '../parts/forms.js';
import { empty } from '../parts/notices.js';
import { safeNext } from './signin.js';

export default async function signup({ query, signal, title }) {
  title('Make an account');
  const options = await api.get('/api/auth/options', { signal, quiet: true });
  const heading = h('h1', { tabindex: '-1' }, 'Make an account');
  if (!options.signups) {
    const signin = h('p', {}, h('a', { href: '/ui/signin' }, 'Sign in'), ', or ask an administrator to make an account for you.');
    return h('div', { class: 'narrow' }, heading, empty('This installation takes no sign-ups.', signin));
  }
  const fewest = options.password_min ?? 8;
  return h(
    'div', { class: 'narrow' },
    heading,
    form({
      action: 'Make the account',
      label: 'Make an account',
      fields: [
        field({ label: 'E-mail', name: 'email', type: 'email', autocomplete: 'email', required: true, autofocus: true }),
        field({ label: 'User name (optional)', name: 'username', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', hint: 'Left out, it is made from the e-mail address.' }),
        field({ label: 'Password', name: 'password', type: 'password', autocomplete: 'new-password', required: true, minlength: fewest, maxlength: 128, hint: `${fewest} to 128 characters.` }),
      ],
      submit: async (values) => {
        const given = Object.fromEntries([...values].filter(([, value]) => value !== ''));
        await api.post('/api/auth/register', given, { quiet: true });
        await signIn(given.email, given.password);
        await navigate(safeNext(query.get('next')), { replace: true });
      },
      further: [h('a', { href: '/ui/signin' }, 'I have an account')],
    }),
  );
}
