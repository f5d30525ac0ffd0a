/** All kinds of images: platform by OS version by image type, with the newest good build of each. */

import { api } from '../core/api.js';
import { listen } from '../core/events.js';
import { fill, h } from '../core/html.js';
import { atMostEvery } from '../core/pace.js';
import { ago } from '../core/time.js';
import { isAbout } from '../build/words.js';
import { complain, empty } from '../parts/notices.js';
import { head, section } from '../parts/page.js';
import { badge } from '../parts/status.js';

const PACE_MS = 1000;

export default async function matrix({ signal, title }) {
  title('Image matrix');
  const place = h('div');
  const count = h('p', { class: 'muted number', role: 'status' });
  let shown = '';

  async function read() {
    const found = await api.get('/api/v1/builds/matrix', { signal });
    const text = JSON.stringify(found.cells.map((cell) => ({ ...cell, good: cell.good?.uid })));
    if (text === shown) return;
    shown = text;
    const good = found.cells.filter((cell) => cell.good !== null).length;
    fill(count, `${good} of ${found.cells.length} can be used`);
    fill(place, found.cells.length > 0 ? found.platforms.map((platform) => table(platform, found)) : nothing());
  }

  const readSoon = atMostEvery(PACE_MS, () => read().catch(complain), signal);
  const changed = (event) => isAbout(event) && readSoon();
  listen({ status: changed, end: changed, build: changed, reset: readSoon }, signal);
  await read();
  return h('div', { class: 'matrix-page' }, head('Image matrix', { actions: [count] }), place);
}

function nothing() {
  return empty(
    'No image was built yet.',
    h('p', {}, 'Build one from a ', h('a', { href: '/ui/configurations' }, 'configuration'), ', or let a pipeline report its builds: each platform, OS version and image type that it names gets its place here.'),
  );
}

/** One platform: image types down, OS versions across. On a narrow screen each image type is a list. */
function table(platform, { os_versions: versions, image_types: types, cells }) {
  const own = new Map(cells.filter((cell) => cell.platform === platform).map((cell) => [`${cell.image_type}\n${cell.os_version}`, cell]));
  const find = (type, version) => own.get(`${type}\n${version}`);
  const columns = versions.filter((version) => types.some((type) => find(type, version)));
  const lines = types.filter((type) => versions.some((version) => find(type, version)));
  if (lines.length === 0) return null;
  const id = `platform-${platform}`;
  return section(platform, h('div', { class: 'matrix-scroll', role: 'region', 'aria-label': `Images for ${platform}`, tabindex: '0' },
    // The roles are said because narrow screens lay the table out as lists, and browsers forget them then.
    h('table', { class: 'matrix', role: 'table', 'aria-label': `Images for ${platform}`, id },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
        h('th', { scope: 'col', role: 'columnheader' }, 'Image type'),
        columns.map((version) => h('th', { scope: 'col', role: 'columnheader' }, version)))),
      h('tbody', { role: 'rowgroup' }, lines.map((type) => h('tr', { role: 'row' },
        h('th', { scope: 'row', role: 'rowheader' }, type),
        columns.map((version) => h('td', { role: 'cell', class: find(type, version) ? null : 'none' },
          h('span', { class: 'matrix-version', 'aria-hidden': 'true' }, version),
          find(type, version) ? cell(find(type, version)) : h('span', { class: 'muted' }, h('span', { class: 'unseen' }, 'never built'), h('span', { 'aria-hidden': 'true' }, '–'))))))))));
}

/** What is good, how old it is, what is newer than it, and which channel offers what. */
function cell({ latest, good, channels }) {
  const href = (uid) => `/ui/builds/${encodeURIComponent(uid)}`;
  const offered = Object.entries(channels).filter(([, uid]) => uid !== null);
  return h('div', { class: 'cell' },
    good
      ? h('a', { href: href(good.uid), class: 'cell-good' }, badge('success', 'Good'), ago(good.finished_at, '', { always: true }))
      : h('span', { class: 'muted' }, 'None good yet'),
    latest.uid !== good?.uid && h('a', { href: href(latest.uid), class: 'cell-latest' },
      badge(latest.status), latest.status === 'in_progress' && h('span', { class: 'number' }, `${latest.state_code} %`)),
    offered.length > 0 && h('span', { class: 'cell-channels' }, offered.map(([channel, uid]) =>
      uid === good?.uid
        ? h('span', { class: 'chip' }, channel)
        : h('a', { class: 'chip', href: href(uid), title: `${channel} offers an older build` }, `${channel}: older`))));
}
