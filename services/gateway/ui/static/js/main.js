/** The page: reads who is signed in, then shows the view that the address names. */

import { SIGNED_OUT } from './core/api.js';
import { fill, h } from './core/html.js';
import * as keys from './core/keys.js';
import * as router from './core/router.js';
import { currentUser, forget, readSession } from './core/session.js';
import { startClock } from './core/time.js';
import * as frame from './frame.js';
import { announce, complain, empty, problem } from './parts/notices.js';

// Each view is loaded when it is first shown, so a mistake in one breaks no other.
const ROUTES = [
  ['/ui/signin', () => import('./views/signin.js')],
  ['/ui/signup', () => import('./views/signup.js')],
  ['/ui/jobs', () => import('./views/jobs.js')],
  ['/ui/jobs/:id', () => import('./job/page.js')],
  ['/ui/builds', () => import('./views/builds.js')],
  ['/ui/builds/number/:number', () => import('./views/build_numbered.js')],
  ['/ui/builds/:ref', () => import('./views/build.js')],
  ['/ui/matrix', () => import('./views/matrix.js')],
  ['/ui/configurations', () => import('./views/configurations.js')],
  ['/ui/configurations/new', () => import('./views/configuration_new.js')],
  ['/ui/configurations/:id', () => import('./views/configuration.js')],
  ['/ui/deliveries', () => import('./views/deliveries.js')],
  ['/ui/deliveries/explain', () => import('./views/explain.js')],
  ['/ui/deliveries/:id', () => import('./views/delivery.js')],
  ['/ui/repositories', () => import('./views/repositories.js')],
  ['/ui/repositories/new', () => import('./views/repository_new.js')],
  ['/ui/repositories/:uid', () => import('./views/repository.js')],
  ['/ui/queue', () => import('./views/queue.js')],
  ['/ui/keys', () => import('./views/keys.js')],
  ['/ui/account', () => import('./views/account.js')],
  ['/ui/users', () => import('./views/users.js')],
  ['/ui/audit', () => import('./views/audit.js')],
];
const HOME = '/ui/jobs';
const OPEN = new Set(['/ui/signin', '/ui/signup']);
// A view that is there sooner needs no sign that it is coming.
const SLOW_MS = 200;

let main = null;
let leaving = false;

async function show(pattern, load, context, { isSameView }) {
  const { signal, path } = context;
  if (path === '/ui' || path === '/ui/') {
    await router.navigate(HOME, { replace: true });
    return;
  }
  if (currentUser() === null && !OPEN.has(pattern)) {
    await askToSignIn();
    return;
  }
  const slow = setTimeout(() => !signal.aborted && main.setAttribute('aria-busy', 'true'), SLOW_MS);
  const name = documentName(signal);
  let element;
  try {
    const view = load ? (await load()).default : nowhere;
    element = await view({ ...context, title: name.set });
  } catch (error) {
    if (signal.aborted || error.name === 'AbortError') return;
    if (error.status === 401 && !OPEN.has(pattern)) return; // the sign-in form is on its way
    element = error.status === 404 ? nowhere() : problem(asPeopleSay(error), () => router.reload());
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) main.removeAttribute('aria-busy');
  }
  if (signal.aborted) return;
  frame.refresh(path);
  fill(main, element);
  name.show();
  if (isSameView && document.activeElement !== document.body) return;
  (main.querySelector('[autofocus]') ?? main.querySelector('h1') ?? main).focus({ preventScroll: true });
  announce(document.title);
}

/** What went wrong in our own script is for its author: the console has it. */
function asPeopleSay(error) {
  if (error.name === 'ApiError') return error;
  console.error(error);
  return new Error('This view could not be shown.');
}

/** The name that a view gives the document: it shows when the view does, and later changes at once. */
function documentName(signal) {
  let name = 'Not found';
  let isShown = false;
  const show = () => {
    isShown = true;
    document.title = `${name} · Slipway`;
  };
  const set = (text) => {
    name = text;
    if (isShown && !signal.aborted) show();
  };
  return { set, show };
}

function nowhere() {
  return h('div', {}, h('h1', { tabindex: '-1' }, 'Not found'), empty(
    'There is nothing at this address, or it is somebody else’s.',
    h('p', {}, h('a', { href: '/ui/jobs' }, 'All jobs')),
  ));
}

/** Show the sign-in form, and come back here afterwards. */
function askToSignIn() {
  const here = location.pathname + location.search + location.hash;
  const next = here === HOME ? '' : `?${new URLSearchParams({ next: here })}`;
  return router.navigate(`/ui/signin${next}`, { replace: true });
}

async function onSignedOut() {
  if (leaving || OPEN.has(location.pathname)) return;
  leaving = true;
  forget();
  await askToSignIn();
  leaving = false;
}

async function begin() {
  main = frame.mount();
  startClock();
  keys.listen();
  addEventListener(SIGNED_OUT, onSignedOut);
  addEventListener('unhandledrejection', (event) => event.reason?.name === 'ApiError' && (event.preventDefault(), complain(event.reason)));
  await readSession();
  await router.start(ROUTES, show);
}

begin().catch((error) => fill(main ?? document.body, problem(error, () => location.reload())));
