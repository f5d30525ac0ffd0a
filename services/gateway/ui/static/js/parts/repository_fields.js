/** The fields of a repository, for making and for changing one, and what they mean to the gateway. */

import { h } from '../core/html.js';
import { checkbox, choices, field } from './forms.js';

/** The forges, for a choice: [[name, title], ...]. */
export const FORGES = [['gitea', 'Gitea'], ['forgejo', 'Forgejo'], ['github', 'GitHub'], ['gitlab', 'GitLab']];
const EXECUTORS = [['local', 'Slipway, on its own machine'], ['github', 'GitHub Actions']];
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
    h('div', { class: 'form-pair' },
      field({ label: 'Who runs the builds', name: 'executor', type: 'select', options: EXECUTORS, value: one?.executor ?? 'local', hint: 'GitHub Actions: for repositories on GitHub; a workflow of theirs runs in place of the pipeline file.' }),
      field({ label: 'Workflow file', name: 'workflow_file', value: one?.workflow_file ?? '', placeholder: 'build.yml', autocomplete: 'off', spellcheck: 'false', hint: 'For GitHub Actions; empty means the operator’s choice.' })),
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
    executor: values.get('executor'),
    workflow_file: values.get('workflow_file').trim() || null,
    filters: {
      events: values.getAll('filters.events'),
      branches: values.get('filters.branches').split('\n').map((line) => line.trim()).filter(Boolean),
    },
    concurrency: { limit: Number(values.get('concurrency.limit')), newest_wins: values.has('newest_wins') },
  };
  return values.has('forge') ? { forge: values.get('forge'), ...body } : body;
}
