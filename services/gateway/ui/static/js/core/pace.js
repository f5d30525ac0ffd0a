/** Reading again because something happened: soon, and not for each of many events. */

const TOGETHER_MS = 50; // one change often makes several events: they come within this

/**
 * Make a function that runs `run` soon after it is called, and at most once in `every_ms` however often that is. `run`
 * sees to its own errors; nothing runs after `signal` is aborted.
 */
export function atMostEvery(every_ms, run, signal) {
  let timer = null;
  let last_ms = -Infinity;
  signal.addEventListener('abort', () => clearTimeout(timer));
  return () => {
    if (signal.aborted) return;
    timer ??= setTimeout(() => {
      timer = null;
      last_ms = performance.now();
      run();
    }, Math.max(TOGETHER_MS, last_ms + every_ms - performance.now()));
  };
}
