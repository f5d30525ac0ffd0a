/** All users, for administrators. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { currentUser } from '../core/session.js';
import { ago } from '../core/time.js';
import { asking, button } from '../parts/buttons.js';
import { filterBar } from '../parts/filters.js';
import { empty, notify } from '../parts/notices.js';
import { head } from '../parts/page.js';
import { Paged } from '../parts/paged.js';
import { row, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';

// [field, what it is called, how it is given, how it is taken]
const RIGHTS = [
  ['is_superuser', 'Administrator', 'Make administrator', 'Remove administrator'],
  ['may_run_local', 'Local builds', 'Allow local builds', 'Forbid local builds'],
];

export default async function users({ query, signal, title }) {
  title('Users');
  const rows = new Rows({ label: 'Users', keyOf: (user) => user.id, render: (user) => userRow(user, changed, list.read) });
  const list = new Paged({
    at: '/ui/users', filters: ['search'], query, signal, rows, noun: ['user', 'users'],
    load: (asked) => api.get('/api/users', { query: asked, signal }),
    nothing: () => empty('Nobody is called so.'),
  });

  async function changed(user, change) {
    rows.upsert(await api.patch(`/api/users/${user.id}`, change));
    notify(`${user.username} is changed.`);
  }

  await list.read();
  return h(
    'div', {},
    head('Users', { actions: [list.count] }),
    filterBar({ label: 'Find users', filter: list.filter, change: list.change, signal, fields: [{ name: 'search', label: 'Name or e-mail', isFirst: true }] }),
    list.elements,
  );
}

function userRow(user, changed, read) {
  const isMe = user.id === currentUser()?.id;
  const turn = (name, words) => button(words, () => changed(user, { [name]: !user[name] }), { kind: 'small', focus: name });
  return row({
    lead: badge(user.is_active ? 'active' : 'inactive'),
    title: [user.username, isMe && h('span', { class: 'muted' }, ' (you)')],
    facts: [
      user.email,
      ['since ', ago(user.created_at, 'always')],
      ...RIGHTS.map(([name, words]) => user[name] && h('span', { class: 'chip' }, words)),
    ],
    actions: [
      ...RIGHTS.map(([name, , give, take]) => turn(name, user[name] ? take : give)),
      turn('is_active', user.is_active ? 'Deactivate' : 'Activate'),
      !isMe && asking('Delete', {
        question: `Delete ${user.username}? Keys and sessions end at once.`, yes: 'Yes, delete', focus: 'delete',
        run: async () => {
          await api.delete(`/api/users/${user.id}`);
          notify(`${user.username} was deleted.`);
          await read();
        },
      }),
    ],
  });
}
