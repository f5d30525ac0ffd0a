/** Somebody saved while this page was open: what they changed, and both ways to go on. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { asking, button } from '../parts/buttons.js';
import { icon } from '../parts/icons.js';
import { diffView } from './diff.js';

/**
 * Make the panel. `mine` is the version that was edited; `keepMine(version)` and `takeTheirs(configuration)` are async.
 * Throws ApiError: 404 when it was deleted meanwhile.
 */
export async function conflictPanel(path, mine, { keepMine, takeTheirs }) {
  const theirs = await api.get(path);
  const found = await api.get(`${path}/diff`, { query: { from: mine, to: theirs.version } });
  return h(
    'section', { class: 'panel conflict', role: 'alert' },
    h('h2', {}, icon('warning'), ` Version ${theirs.version} was saved while you changed version ${mine}`),
    h('p', {}, 'Nothing of yours was saved yet, and nothing is lost: each save stays among the versions.'),
    h('details', {}, h('summary', {}, 'What they changed'), diffView(found, 'What they changed')),
    h('div', { class: 'form-actions' },
      button('Save mine as the newest', () => keepMine(theirs.version), { kind: 'primary' }),
      asking('Take theirs', { question: 'Drop what you typed?', yes: 'Yes, take theirs', run: () => takeTheirs(theirs) })),
  );
}
