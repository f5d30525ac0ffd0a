/** The fields of a repository, for making and for changing one, and what they mean to the gateway. */

import { h } from '../core/html.js';
import { checkbox, choices, field } from './forms.js';

/** The forges, for a choice: [[name, title], ...]. */
export const FORGES = [['gitea', 'Gitea'], ['forgejo', 'Forgejo'], ['github', 'GitHub'], ['gitlab', 'GitLab']];
const EVENTS = [['push', 'Push'], ['tag', 'Tag'], ['pull_request', 'Pull request'], ['release', 'Release']];

/** Fields filled from a RepositoryView, or empty (null) for a new one. */
export function repositoryFields(one) {
  return [
    h('div', { class: 'form-pair' },
      one === null && field({ label: 'Forge', name: 'forge', type: 'select', options: FORGES }),
      field({ label: 'Name', name: 'full_name', value: one?.full_name ?? '', required: true, placeholder: 'owner/name', autocomplete: 'off', spellcheck: 'false', hint: 'As the forge calls it, with its owner.', autofocus: one === null })),
    field({ label: 'Clone address', name: 'clone_url', value: one?.clone_url ?? '', required: true, placeholder: 'https://git.example/owner/name.git', autocomplete: 'off', spellcheck: 'false' }),
    h('div', { class: 'form-pair' },
      field({ label: 'Pipeline file', name: 'pipeline_path', value: one?.pipeline_path ?? '.slipway.yml', required: true, autocomplete: 'off', spellcheck: 'false' }),
      field({ label: 'Builds of one branch at once', name: 'concurrency.limit', type: 'number', min: 1, max: 100, value: one?.concurrency.limit ?? 1, required: true })),
    checkbox({ label: 'A newer push cancels the builds of its branch before it', name: 'newest_wins', checked: one?.concurrency.newest_wins ?? false, hint: 'Tags never cancel a branch.' }),
    choices({ legend: 'What starts a build', name: 'filters.events', options: EVENTS, checked: one?.filters.events ?? ['push', 'tag'] }),
    field({ label: 'Branches', name: 'filters.branches', type: 'textarea', rows: 2, value: (one?.filters.branches ?? []).join('\n'), placeholder: 'main\nrelease/*', spellcheck: 'false', hint: 'One pattern a line; none means all.' }),
  ];
}

/** The body that the form's values make; without `forge` for one that exists. */
export function repositoryBody(values) {
  const body = {
    full_name: values.get('full_name').trim(),
    clone_url: values.get('clone_url').trim(),
    pipeline_path: values.get('pipeline_path').trim(),
    filters: {
      events: values.getAll('filters.events'),
      branches: values.get('filters.branches').split('\n').map((line) => line.trim()).filter(Boolean),
    },
    concurrency: { limit: Number(values.get('concurrency.limit')), newest_wins: values.has('newest_wins') },
  };
  return values.has('forge') ? { forge: values.get('forge'), ...body } : body;
}
