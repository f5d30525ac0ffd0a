/** What stands around every view: navigation, theme, the stream's state, the sheet of keys. */

import { STREAM_STATE, streamState } from './core/events.js';
import { fill, h } from './core/html.js';
import * as keys from './core/keys.js';
import { navigate } from './core/router.js';
import { currentUser, signOut } from './core/session.js';
import { switchTheme, theme } from './core/theme.js';
import { busy } from './parts/buttons.js';
import { icon } from './parts/icons.js';
import * as notices from './parts/notices.js';
import { step } from './parts/rows.js';

// [heading, [[address, words, icon, second key of "g _"], ...]]. Servers, apps and images join as groups of their own.
const NAVIGATION = [
  ['Builds', [
    ['/ui/builds', 'Builds', 'build', 'b'],
    ['/ui/matrix', 'Image matrix', 'matrix', 'm'],
    ['/ui/configurations', 'Configurations', 'recipe', 'c'],
    ['/ui/jobs', 'Jobs', 'jobs', 'j'],
    ['/ui/deliveries', 'Deliveries', 'inbox', 'd'],
    ['/ui/repositories', 'Repositories', 'repository', 'r'],
    ['/ui/queue', 'Queue', 'queue', 'q'],
  ]],
  ['You', [
    ['/ui/keys', 'API keys', 'key', 'k'],
    ['/ui/account', 'Account', 'person', 'a'],
  ]],
];
const ADMINISTRATION = ['Administration', [
  ['/ui/users', 'Users', 'people', 'u'],
  ['/ui/audit', 'Audit log', 'history', 'l'],
]];
const STREAM_WORDS = { idle: null, connecting: 'Connecting…', live: 'Live', lost: 'Reconnecting…' };

const main = h('main', { id: 'main', tabindex: '-1' });
const nav = h('nav', { id: 'navigation', 'aria-label': 'Main', onclick: (event) => event.target.closest('a') && closeMenu() });
const stream = h('p', { class: 'stream', role: 'status' });
const themeButton = h('button', { type: 'button', class: 'button quiet', onclick: turnTheme });
const menuButton = h('button', {
  type: 'button', class: 'button quiet menu', 'aria-expanded': 'false', 'aria-controls': 'navigation', onclick: toggleMenu,
}, icon('menu'), h('span', {}, 'Menu'));

/** Build the frame into the body; answers the element that views go into. */
export function mount() {
  document.body.append(
    h('a', { class: 'skip', href: '#main', onclick: skip }, 'Skip to the content'),
    h('div', { class: 'frame' },
      h('header', { class: 'bar' },
        h('a', { class: 'brand', href: '/ui/' }, h('span', { class: 'mark', 'aria-hidden': 'true' }), 'Slipway'),
        menuButton),
      h('div', { class: 'side' }, nav,
        h('div', { class: 'side-foot' },
          stream, themeButton,
          h('button', { type: 'button', class: 'button quiet', 'aria-haspopup': 'dialog', onclick: showKeys }, h('kbd', {}, '?'), h('span', {}, 'Keys')))),
      main),
  );
  notices.mount(document.body);
  sayTheme();
  sayStream(streamState());
  addEventListener(STREAM_STATE, (event) => sayStream(event.detail));
  bindKeys();
  return main;
}

/** Draw the navigation for whoever is signed in, and mark where we are. */
export function refresh(path) {
  const user = currentUser();
  document.body.classList.toggle('signed-out', user === null);
  if (user === null) {
    fill(nav);
    return;
  }
  const groups = user.is_superuser ? [...NAVIGATION, ADMINISTRATION] : NAVIGATION;
  fill(
    nav,
    groups.map(([heading, links]) => h('div', { class: 'nav-group' }, h('h2', {}, heading), h('ul', {}, links.map((link) => entry(link, path))))),
    h('div', { class: 'nav-group' },
      h('p', { class: 'who' }, 'Signed in as ', h('strong', {}, user.username ?? user.email)),
      h('button', { type: 'button', class: 'button quiet', onclick: leave }, 'Sign out')),
  );
}

function entry([href, words, name], path) {
  const isHere = path === href || path.startsWith(`${href}/`);
  return h('li', {}, h('a', { href, 'aria-current': isHere ? 'page' : null }, icon(name), words));
}

function skip(event) {
  event.preventDefault();
  main.focus();
}

function leave(event) {
  return busy(event.currentTarget, async () => {
    await signOut();
    await navigate('/ui/signin');
  });
}

function turnTheme() {
  switchTheme();
  sayTheme();
  notices.announce(`Theme: ${theme()}`);
}

function sayTheme() {
  const now = theme();
  fill(themeButton, icon(now), h('span', {}, `Theme: ${now}`));
}

function sayStream(state) {
  const words = STREAM_WORDS[state];
  stream.dataset.state = state;
  fill(stream, words && [h('span', { class: 'dot', 'aria-hidden': 'true' }), words]);
}

function toggleMenu() {
  const isOpen = document.body.classList.toggle('menu-open');
  menuButton.setAttribute('aria-expanded', String(isOpen));
}

function closeMenu() {
  document.body.classList.remove('menu-open');
  menuButton.setAttribute('aria-expanded', 'false');
}

function bindKeys() {
  const links = [...NAVIGATION, ADMINISTRATION].flatMap(([, entries]) => entries);
  keys.bind('Everywhere', {
    '?': ['This sheet', showKeys],
    '/': ['Filter or search', focusFilter],
    Escape: ['Leave a field, close what is open', escape],
  });
  keys.bind('Lists', {
    j: ['Next row', () => step(1)],
    k: ['Previous row', () => step(-1)],
    Enter: ['Open the row', () => false], // the focused link does it by itself
  });
  keys.bind('Go to', Object.fromEntries(links.map(([href, words, , key]) => [`g ${key}`, [words, () => go(href)]])));
}

function go(href) {
  const user = currentUser();
  if (user !== null) navigate(href);
}

function focusFilter() {
  const target = main.querySelector('[data-filter]');
  if (!target) return false;
  target.focus();
  target.select?.();
  return true;
}

function escape() {
  if (document.body.classList.contains('menu-open')) {
    closeMenu();
    menuButton.focus();
    return true;
  }
  if (main.contains(document.activeElement)) document.activeElement.blur();
  return false;
}

function showKeys() {
  const open = document.querySelector('dialog[open]');
  if (open) {
    open.close();
    return;
  }
  const dialog = h(
    'dialog', { class: 'sheet', 'aria-labelledby': 'sheet-title' },
    h('div', { class: 'head-line' }, h('h2', { id: 'sheet-title' }, 'Keys'),
      h('button', { type: 'button', class: 'button quiet', onclick: () => dialog.close() }, 'Close')),
    h('div', { class: 'sheet-groups' }, keys.sheet().map(([heading, bound]) =>
      h('section', {}, h('h3', {}, heading), h('dl', {}, bound.map(([key, label]) =>
        h('div', {}, h('dt', {}, key.split(' ').map((one) => h('kbd', {}, one))), h('dd', {}, label))))))),
  );
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
