/** One configuration: change it, see what it comes to, build it, go back to what it was. */

import { api, intents } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { navigate } from '../core/router.js';
import { ago } from '../core/time.js';
import { asking } from '../parts/buttons.js';
import { field, form } from '../parts/forms.js';
import { notify } from '../parts/notices.js';
import { head, section } from '../parts/page.js';
import { conflictPanel } from '../recipe/conflict.js';
import { dropDraft, findDraft, keepDraft } from '../recipe/drafts.js';
import { recipeForm } from '../recipe/form.js';
import { versionList } from '../recipe/versions.js';

export default async function configuration({ params, signal, title }) {
  const path = `/api/config/${encodeURIComponent(params.id)}`;
  const draftName = `configuration ${params.id}`;
  let saved = await api.get(path, { signal });
  title(saved.name);
  const draft = findDraft(draftName);
  let base = draft?.base ?? saved.version; // the version that was changed
  let isDirty = draft !== null;

  const state = h('p', { class: 'muted', role: 'status' });
  const built = h('p', { class: 'hint' });
  const above = h('div');
  const heading = head(saved.name, { up: ['/ui/configurations', 'Configurations'], actions: [state, h('a', { class: 'button', href: `/ui/builds?config_id=${saved.id}` }, 'Its builds')] });
  const undo = asking('Undo my changes', { question: 'Drop what is not saved?', yes: 'Yes, drop it', run: showSaved });
  const bench = recipeForm({
    values: draft?.values ?? saved, action: 'Save', signal,
    submit: () => save(base),
    changed: () => {
      keepDraft(draftName, { values: bench.values(), base });
      if (isDirty) return; // said already; those who hear the page are not told for each letter
      isDirty = true;
      say();
    },
    further: [undo],
  });
  const versions = versionList(path, { current: () => saved.version, rollBack, signal });

  /** Save what the form says over a version; asks what to do when that is not the newest. */
  async function save(version) {
    const sent = bench.values();
    try {
      saved = await api.put(path, sent, { headers: { 'If-Match': `"${version}"` } });
    } catch (error) {
      if (error.status !== 412) throw error;
      fill(above, await conflictPanel(path, version, { keepMine: save, takeTheirs: showSaved }));
      above.firstElementChild.scrollIntoView({ block: 'nearest' });
      return;
    }
    base = saved.version;
    const now = bench.values();
    isDirty = JSON.stringify(now) !== JSON.stringify(sent); // typed while it was saved
    if (isDirty) keepDraft(draftName, { values: now, base });
    else dropDraft(draftName);
    fill(above);
    title(saved.name);
    fill(heading.querySelector('h1'), saved.name);
    say();
    notify(`Saved as version ${saved.version}.`);
    await versions.read();
  }

  async function rollBack(version) {
    await api.post(`${path}/rollback/${version}`, undefined, { headers: { 'If-Match': `"${saved.version}"` } });
    notify(`Version ${version} is the newest again.`);
    await showSaved();
  }

  /** Show what is saved in place of what was typed. */
  function showSaved() {
    dropDraft(draftName);
    isDirty = false;
    return navigate(`/ui/configurations/${saved.id}`, { replace: true });
  }

  function say() {
    undo.hidden = !isDirty;
    fill(built, `GitHub Actions builds version ${saved.version}${isDirty ? ', without what you did not save.' : '.'}`);
    fill(state, `Version ${saved.version} · `, isDirty ? h('strong', {}, 'changes not saved') : ['saved ', ago(saved.updated_at)]);
  }

  addEventListener('beforeunload', (event) => isDirty && event.preventDefault(), { signal });
  say();
  await versions.read();
  return h(
    'div', { class: 'wide' },
    heading, above,
    draft && h('p', { class: 'banner', role: 'status' }, 'This is what you typed and did not save.'),
    h('div', { class: 'panel' }, bench.element),
    section('Build', built, buildForm(() => saved)),
    section('Versions', versions.element),
    section('Delete', h('div', { class: 'form-actions' }, asking('Delete the configuration', {
      question: `Delete ${saved.name} with all its versions? Builds stay.`, yes: 'Yes, delete',
      run: async () => {
        await api.delete(path);
        dropDraft(draftName);
        isDirty = false;
        notify(`${saved.name} was deleted.`);
        await navigate('/ui/configurations');
      },
    }))),
  );
}

/** The form that builds what is saved, and leads to its build. */
function buildForm(saved) {
  const once = intents();
  let turn = 0;
  return form({
    label: 'Build', action: 'Build the image', kind: null,
    fields: [
      field({ label: 'Branch or tag of the workflow', name: 'ref', value: 'main', required: true, autocomplete: 'off', spellcheck: 'false' }),
      h('div', { class: 'form-pair' },
        field({ label: 'Window manager', name: 'window_manager', placeholder: 'as the recipe says', autocomplete: 'off', spellcheck: 'false' }),
        field({ label: 'Desktop environment', name: 'desktop_environment', placeholder: 'as the recipe says', autocomplete: 'off', spellcheck: 'false', hint: 'Both count for bootc images only.' })),
    ],
    submit: async (values) => {
      const chosen = Object.fromEntries([...values].map(([name, text]) => [name, text.trim()]).filter(([, text]) => text !== ''));
      const body = { config_id: saved().id, ...chosen };
      const made = await api.post('/api/build/trigger', body, { intent: once([turn, saved().version, body]) });
      turn += 1;
      await navigate(`/ui/builds/${encodeURIComponent(made.uid)}`);
    },
  });
}
