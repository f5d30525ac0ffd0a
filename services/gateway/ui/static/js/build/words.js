/** What people call a build, and what its values mean to them. */

const EXECUTORS = { github: 'GitHub Actions', kubernetes: 'Kubernetes', local: 'this machine', external: 'a pipeline' };
const ENDED = new Set(['success', 'failure', 'cancelled']);

/** Who can run a build, for a filter: [[value, words], ...]. */
export const EXECUTOR_CHOICES = [['', 'Any'], ['github', 'GitHub Actions'], ['kubernetes', 'Kubernetes'], ['local', 'This machine'], ['external', 'A pipeline']];

/** The name of a build (BuildView): its repository's, its caller's, else what it makes. */
export function nameOf(build) {
  return build.repository?.full_name ?? build.build_id ?? (imageOf(build) || `Build ${build.id}`);
}

/** Platform, OS version and image type, as far as they are known: "aws · 43 · fedora-bootc"; '' for none. */
export function imageOf(build) {
  return [build.platform, build.os_version, build.image_type].filter(Boolean).join(' · ');
}

/** Who runs it. */
export function executorOf(build) {
  return EXECUTORS[build.executor] ?? build.executor;
}

/** Whether it will not go on by itself. */
export function isOver(build) {
  return ENDED.has(build.status);
}

/** How far it is and what it does there: "45 % · storage". */
export function stageOf({ state_code: code, stage }) {
  return stage ? `${code} % · ${stage}` : `${code} %`;
}

/** Whether an event of the stream (a job, or a build's change) is about some build; `id`: about this one. */
export function isAbout(event, id = null) {
  const found = event.subject ? (event.subject.type === 'build' ? event.subject.id : null) : event.id;
  return found !== null && (id === null || String(found) === String(id));
}
