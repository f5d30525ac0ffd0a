/** What a person can do next about a job that did not succeed, by the error's code (docs/jobs.md, docs/pipelines.md). */

const ADVICE = {
  CANCELLED: 'Retry it to run it again.',
  SUPERSEDED: 'A newer push to the branch is built instead: look at that one, or retry to build this one all the same.',
  REPOSITORY_GONE: 'Its repository was deleted here; connect it again and push.',
  SECRETS_UNREADABLE: 'The operator gives SECRET_KEY_OLD the key that sealed the secrets, or somebody sets them anew; then retry.',
  SKIPPED: 'The pipeline’s “when” does not match this event; change it, or push to a branch that it names.',
  STEP_FAILED: 'The step’s output says why; in the log it is open.',
  STEP_TIMEOUT: 'Give the step a longer “timeout” in the pipeline, or find out in the log what it waited for.',
  RUN_TIMEOUT: 'Give the pipeline a longer “timeout”, or split it.',
  PIPELINE_MISSING: 'Commit a pipeline file, or name its path in the repository’s settings.',
  PIPELINE_INVALID: 'The log has a line for each problem, with its place in the file. Mend it and push again.',
  SECRET_MISSING: 'Add the secret to the repository, then retry.',
  CLONE_FORBIDDEN: 'Use an https or ssh address for the repository, or let an operator allow others (ALLOW_INSECURE_CLONE).',
  CLONE_DENIED: 'Renew the repository’s user name and token or key, then retry.',
  CLONE_FAILED: 'See in the log what git said. When the server is back, retry.',
  CLONE_TIMEOUT: 'Retry; when it happens again, the operator can raise LOCAL_CLONE_TIMEOUT_S.',
  COMMIT_MISSING: 'The commit was probably replaced by a forced push: push again.',
  RUNNER_ERROR: 'The worker’s machine lacks something: tell its operator, then retry.',
  RUNNER_LOST: 'The runner was killed, mostly for its memory: look at the worker’s machine, then retry.',
  PROVIDER_OFF: 'The operator switches builds on this machine on by LOCAL_PROVIDER=true.',
  TIMEOUT: 'One step of the work took too long. Retry; if it repeats, tell the operator.',
  DEADLINE_EXCEEDED: 'It could not be done in the time it has. Retry when the outside system works again.',
  POISON: 'Its worker died three times while running it, mostly for lack of memory. Look at what it does before a retry.',
  BAD_MESSAGE: 'Gateway and worker are of different versions: bring them to the same one, then retry.',
  INFRASTRUCTURE: 'The database or the network failed. Retry when the operator has looked.',
  WORKFLOW_FAILED: 'The log names the step that failed. Mend it, then run its failed jobs again.',
  WORKFLOW_TIMED_OUT: 'Give its jobs a longer “timeout-minutes”, or find out in the log what they waited for.',
  WORKFLOW_INVALID: 'GitHub could not begin it, mostly because the workflow file is wrong: its page on GitHub says where.',
  WORKFLOW_NEEDS_ACTION: 'Somebody has to approve the run on GitHub; then run it again.',
  WORKFLOW_SKIPPED: 'Every job has a condition that did not hold: look at the “if” of each.',
  WORKFLOW_STALE: 'GitHub gave the run up after it had waited too long. Run it again.',
  WORKFLOW_NOT_FOUND: 'Commit the workflow to the default branch, or name another file; the token needs to see it.',
  WORKFLOW_DISABLED: 'Switch it on under Actions on GitHub, then run it again.',
  WORKFLOW_NOT_DISPATCHABLE: 'Add “workflow_dispatch” to its triggers on that branch, then run it again.',
  INPUTS_REFUSED: 'Declare these inputs under “workflow_dispatch” in the workflow, then run it again.',
  REF_NOT_FOUND: 'Push the branch or tag to GitHub, or name another one.',
  REF_NEEDED: 'Name a branch or tag.',
  DISPATCH_UNKNOWN: 'GitHub may have begun it all the same: look there at the runs that the message names before you run it again.',
  RUN_DELETED: 'Somebody deleted the run on GitHub. Run it again.',
  RUN_CANCELLED: 'Somebody cancelled the run on GitHub. Run it again if that was a mistake.',
  NOT_RERUNNABLE: 'Build it anew instead.',
  NO_API_TOKEN: 'Then run it again.',
  GITHUB_NOT_CONFIGURED: 'The operator sets GITHUB_TOKEN, or GITHUB_APP_ID with the App’s key.',
  GITHUB_UNAUTHORIZED: 'The token has ended or was revoked: give Slipway a new one, then run it again.',
  GITHUB_FORBIDDEN: 'The token lacks a right: it has to read the repository and write its Actions.',
  GITHUB_NOT_FOUND: 'Mend the repository’s name, or let the token see it.',
  REPOSITORY_NOT_FOUND: 'Mend the repository’s name, or let the token see it.',
  GITHUB_APP_NOT_INSTALLED: 'Install the App on the repository, then run it again.',
  GITHUB_APP_KEY: 'The operator mends GITHUB_APP_PRIVATE_KEY.',
  INTERNAL_ERROR: 'This is a defect of Slipway; the worker’s log has the details under this job’s id.',
};

/** One sentence about an error {code, retryable}. */
export function advice(error) {
  return ADVICE[error.code] ?? (error.retryable ? 'It may be passing: retry.' : 'The end of the log says more.');
}

/** Why a job waits, as one sentence; null when it does not. `position` is its place in the queue, from 1. */
export function waiting(job) {
  if (job.status !== 'pending' && !job.waiting_for) return null;
  const place = job.position === 1 ? 'It is next.' : job.position ? `It is number ${job.position} in the queue.` : '';
  const reason = job.waiting_for ? `Waits for ${job.waiting_for}.` : 'Waits for a free worker.';
  return `${reason.replace(/\.\.$/, '.')} ${place}`.trim();
}
