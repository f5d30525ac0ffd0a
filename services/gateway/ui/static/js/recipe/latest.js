/** Work that follows typing: begun a moment after the last change, and dropped when a newer change begins it anew. */

export class Latest {
  #wait_ms;
  #run;
  #signal;
  #timer = null;
  #turn = null;

  /** `run(signal)` is async; its `signal` is aborted by the next turn and by `signal`. Its errors are its own affair. */
  constructor(wait_ms, run, signal) {
    this.#wait_ms = wait_ms;
    this.#run = run;
    this.#signal = signal;
    signal.addEventListener('abort', () => clearTimeout(this.#timer));
  }

  /** Begin when nothing changes for a moment. */
  soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), this.#wait_ms);
  }

  /** Begin at once. */
  async now() {
    clearTimeout(this.#timer);
    this.#turn?.abort();
    this.#turn = new AbortController();
    const signal = AbortSignal.any([this.#turn.signal, this.#signal]);
    try {
      await this.#run(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
