/**
 * Addresses to views, by the History API: every address below /ui/ can be opened, reloaded and shared.
 *
 * A view is a function `view(context)` that answers its element, or a promise of it:
 *
 *     export default async function job({ params, query, signal, title }) { title('Job'); return h('div', ...); }
 *
 * `params` are the parts of the path that its pattern names, `query` the URLSearchParams, `signal` is aborted when the
 * view is left: timers, streams and listeners live as long as it. A view that changes its own query (filters) calls
 * `setQuery`, which makes an entry to go back to without showing the view anew.
 */

const routes = [];
let show = null;
let life = new AbortController();
let shown = null;

/** Take the table of routes ([pattern, load]) and how to show things; follow links and the browser's buttons. */
export function start(table, display) {
  for (const [pattern, load] of table) routes.push({ names: pattern.split('/'), pattern, load });
  show = display;
  history.scrollRestoration = 'manual';
  addEventListener('popstate', () => open({ scroll_px: history.state?.scroll_px ?? 0 }));
  document.addEventListener('click', follow);
  return open({ scroll_px: 0 });
}

/** Go to an address of ours; `replace` leaves no entry behind. */
export function navigate(path, { replace = false } = {}) {
  if (!replace) history.replaceState({ ...history.state, scroll_px: scrollY }, '');
  history[replace ? 'replaceState' : 'pushState']({}, '', path);
  return open({ scroll_px: 0 });
}

/** Show the present address anew, as after an error. */
export function reload() {
  return open({ scroll_px: scrollY });
}

/** Write a view's query into the address: null and '' leave a name out. `replace` for what changes while typing. */
export function setQuery(values, { replace = false } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  const path = location.pathname + (text ? `?${text}` : '');
  if (path === location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState']({}, '', path);
}

/** The parts that `pattern` ("/ui/jobs/:id") names in a path, or null when it does not fit. */
export function match(names, path) {
  const parts = path.replace(/\/+$/, '').split('/');
  if (parts.length !== names.length) return null;
  const params = {};
  for (const [index, name] of names.entries()) {
    if (name.startsWith(':')) {
      try {
        params[name.slice(1)] = decodeURIComponent(parts[index]);
      } catch {
        return null;
      }
    } else if (name !== parts[index]) return null;
  }
  return params;
}

async function open({ scroll_px }) {
  life.abort();
  life = new AbortController();
  const { signal } = life;
  const path = location.pathname;
  const isSameView = shown === path;
  shown = path;
  let found = null;
  for (const { names, pattern, load } of routes) {
    const params = match(names, path);
    if (params !== null) {
      found = { params, pattern, load };
      break;
    }
  }
  const context = { path, params: found?.params ?? {}, query: new URLSearchParams(location.search), signal };
  await show(found?.pattern ?? null, found?.load ?? null, context, { isSameView });
  if (!signal.aborted && !location.hash) scrollTo(0, scroll_px);
}

function follow(event) {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.('a[href]');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.pathname !== '/ui' && !link.pathname.startsWith('/ui/')) return;
  const isHere = link.pathname === location.pathname && link.search === location.search;
  if (isHere && link.hash) return;
  event.preventDefault();
  navigate(link.pathname + link.search + link.hash, { replace: isHere });
}
