/** A build by its number, as jobs know it: goes on to its page. */

import { api } from '../core/api.js';
import { h } from '../core/html.js';
import { navigate } from '../core/router.js';

export default async function buildNumbered({ params, signal, title }) {
  title('Build');
  const { build } = await api.get(`/api/build/${encodeURIComponent(params.number)}/status`, { signal });
  queueMicrotask(() => navigate(`/ui/builds/${encodeURIComponent(build.uid)}`, { replace: true }));
  return h('div');
}
