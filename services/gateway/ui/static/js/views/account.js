/** The person who is signed in: names, password, signing out. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { navigate } from '../core/router.js';
import { currentUser, readSession, signIn, signOut } from '../core/session.js';
import { ago } from '../core/time.js';
import { button } from '../parts/buttons.js';
import { field, form } from '../parts/forms.js';
import { notify } from '../parts/notices.js';
import { facts, head, section } from '../parts/page.js';

export default async function account({ title }) {
  title('Account');
  const user = currentUser();
  return h(
    'div', {},
    head('Account', { actions: [button('Sign out', leave)] }),
    section('You', facts([
      ['User name', user.username],
      ['E-mail', user.email ?? 'none'],
      ['Role', user.is_superuser ? 'Administrator' : 'User'],
      ['Local builds', user.may_run_local ? 'allowed' : 'not allowed; an administrator can allow them'],
      ['Since', ago(user.created_at, 'always')],
    ])),
    section('Names', form({
      label: 'Names', action: 'Save',
      fields: [h('div', { class: 'form-pair' },
        field({ label: 'User name', name: 'username', value: user.username, required: true, autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' }),
        field({ label: 'E-mail', name: 'email', type: 'email', value: user.email ?? '', autocomplete: 'email' }))],
      submit: async (values) => {
        const changed = Object.fromEntries([...values].filter(([name, value]) => value !== '' && value !== user[name]));
        if (Object.keys(changed).length > 0) await api.patch('/api/auth/me', changed);
        await readSession();
        notify('Saved.');
        await navigate('/ui/account', { replace: true });
      },
    })),
    section('Password', form({
      label: 'Change the password', action: 'Change the password',
      fields: [
        h('input', { type: 'text', class: 'unseen', autocomplete: 'username', value: user.username, tabindex: '-1', 'aria-hidden': 'true', readonly: true }),
        field({ label: 'Present password', name: 'current_password', type: 'password', autocomplete: 'current-password', required: true }),
        field({ label: 'New password', name: 'password', type: 'password', autocomplete: 'new-password', required: true, minlength: 8, maxlength: 128, hint: '8 to 128 characters. All other sessions and tokens end.' }),
      ],
      submit: async (values, element) => {
        const password = values.get('password');
        await api.patch('/api/auth/me', { password, current_password: values.get('current_password') });
        element.reset();
        await signIn(user.username, password); // a new password ends every session, this one too
        notify('The password is changed.');
      },
    })),
  );
}

async function leave() {
  await signOut();
  await navigate('/ui/signin');
}
