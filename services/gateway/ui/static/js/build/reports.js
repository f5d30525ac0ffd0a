/** What a pipeline left with a build besides its states: failures, artifacts, variables. */

import { api } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { ago } from '../core/time.js';
import { copyButton } from '../parts/buttons.js';
import { section } from '../parts/page.js';
import { row, Rows } from '../parts/rows.js';
import { badge } from '../parts/status.js';

/** The three lists of a build; those that hold nothing are not shown. `read()` is async and throws ApiError. */
export function reports(uid, signal) {
  const path = `/builds/${encodeURIComponent(uid)}`;
  const lists = [
    new List(`${path}/failures`, 'items', 'Failures', (one) => one.id, failure),
    new List(`${path}/artifacts`, 'artifacts', 'Artifacts', (one) => one.id, artifact),
    new List(`${path}/variables`, 'variables', 'Variables', (one) => one.key, variable),
  ];
  return {
    elements: lists.map((list) => list.element),
    read: () => Promise.all(lists.map((list) => list.read(signal))),
  };
}

class List {
  #path;
  #name;
  #title;
  #rows;
  element = h('div');

  /** `name` is that of the list in the answer. */
  constructor(path, name, title, keyOf, render) {
    this.#path = path;
    this.#name = name;
    this.#title = title;
    this.#rows = new Rows({ label: title, keyOf, render });
  }

  async read(signal) {
    const items = (await api.get(this.#path, { signal }))[this.#name];
    this.#rows.set(items);
    fill(this.element, items.length > 0 && section(this.#title, this.#rows.element));
  }
}

function failure(one) {
  return row({
    lead: one.retired_at ? badge('inactive', 'Reset') : badge('failure'),
    title: one.error_message,
    facts: [
      `at ${one.state_code} %`,
      one.error_code && h('code', {}, one.error_code),
      one.component && `in ${one.component}`,
      `told by ${one.actor}`,
      one.details && h('details', {}, h('summary', {}, 'Details'), h('pre', { class: 'block', tabindex: '0' }, JSON.stringify(one.details, null, 2))),
    ],
    aside: [ago(one.created_at)],
  });
}

function artifact(one) {
  return row({
    lead: h('span', { class: 'muted' }, one.type),
    title: one.artifact_name,
    facts: [
      h('code', {}, one.path),
      one.storage_backend,
      `at ${one.state_code} %`,
      one.size_bytes !== null && `${one.size_bytes.toLocaleString()} bytes`,
      one.checksum && h('span', {}, 'SHA-256 ', h('code', { title: one.checksum }, one.checksum.slice(0, 12))),
      one.is_resumable && h('span', { class: 'chip' }, 'can go on from here'),
      one.is_final && h('span', { class: 'chip' }, 'final'),
      one.expires_at && h('span', {}, 'until ', ago(one.expires_at)),
    ],
    aside: [ago(one.created_at)],
    actions: [copyButton(one.path, 'Copy the path')],
  });
}

function variable(one) {
  return row({
    lead: h('span', { class: 'muted' }, one.is_sensitive ? 'secret' : 'plain'),
    title: h('code', {}, one.key),
    facts: [h('code', {}, one.value), `at ${one.state_code} %`],
    aside: [ago(one.updated_at)],
  });
}
