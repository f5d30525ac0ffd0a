/**
 * Steps and groups of a log, from its marks, and which of them are folded. Pure.
 *
 * A section: {n, last, depth, name, started, ended, state, isOver}. `n` is the line that opens it and shows as its head,
 * `last` its last line (so far, when it is not over), `depth` 0 for a step and 1 for a group inside of one; times in ms,
 * `ended` NaN when it is not over. `state` is running, success, failed, allowed (failed, and may) or stopped.
 */

/** Make sections in order of `n`. `jobStatus` decides what a step is that never ended. */
export function outline(lines, jobStatus) {
  const sections = [];
  let next = 0;
  lines.regions.forEach((region) => {
    while (next < lines.marks.length && lines.marks[next].n < region.first) next += 1;
    const walk = new Walk(sections);
    for (; next < lines.marks.length && lines.marks[next].n <= region.last; next += 1) walk.see(lines.marks[next]);
    walk.leave(region.last, region.last >= lines.last && isActive(jobStatus) ? 'running' : 'stopped');
  });
  return sections;
}

/** Whether a job with this status may still write lines. */
export function isActive(jobStatus) {
  return jobStatus === 'pending' || jobStatus === 'running';
}

/**
 * Which sections are folded unless somebody chose otherwise: the numbers of their heads.
 *
 * Of a failed job the step that failed is open, of any other the last one; what runs is open. Groups inside of steps
 * fold when they end, as programs that print them expect.
 */
export function foldedByDefault(sections, jobStatus) {
  const steps = sections.filter((section) => section.depth === 0);
  const last = steps.at(-1);
  const failed = jobStatus === 'failed' ? steps.filter((step) => step.state === 'failed') : [];
  const open = new Set(failed.length > 0 ? failed : [last]);
  const folded = sections.filter((section) => {
    if (section.state === 'running') return false;
    return section.depth === 0 ? !open.has(section) : section.isOver;
  });
  return new Set(folded.map((section) => section.n));
}

/** The innermost section that holds a line, head included; null between sections. */
export function sectionOf(sections, n, depth = 1) {
  return sections.findLast((section) => section.depth <= depth && section.n <= n && n <= section.last) ?? null;
}

/** One region's marks, in order. */
class Walk {
  #sections;
  #step = null;
  #group = null;
  #ended = null;

  constructor(sections) {
    this.#sections = sections;
  }

  see(mark) {
    switch (mark.type) {
      case 'opens':
        if (mark.own) {
          // A step that begins while another is open: the worker was lost, and another one began anew.
          this.#close(mark.n - 1, Number.NaN, 'stopped');
          this.#step = this.#open(mark, 0);
        } else {
          this.#closeGroup(mark.n - 1, mark.time);
          this.#group = this.#open(mark, 1);
        }
        break;
      case 'ends':
        if (mark.own) this.#close(mark.n, mark.time, 'success');
        else this.#closeGroup(mark.n, mark.time);
        break;
      case 'exit':
      case 'error':
        if (this.#step !== null && mark.failed !== false) this.#step.state = 'failed';
        break;
      case 'allowed':
        if (this.#ended?.state === 'failed') this.#ended.state = 'allowed';
        break;
    }
  }

  /** The region is over, the sections may not be. */
  leave(last, state) {
    for (const section of [this.#step, this.#group]) {
      if (section === null) continue;
      section.last = last;
      if (section.state === 'success') section.state = state;
    }
  }

  #open(mark, depth) {
    const section = {
      n: mark.n, last: mark.n, depth, name: mark.name || '(no name)', started: mark.time, ended: Number.NaN,
      state: 'success', isOver: false,
    };
    this.#sections.push(section);
    return section;
  }

  #close(last, time, state) {
    this.#closeGroup(last, time);
    const step = this.#step;
    if (step === null) return;
    Object.assign(step, { last, ended: time, isOver: true, state: step.state === 'failed' ? 'failed' : state });
    this.#ended = step;
    this.#step = null;
  }

  #closeGroup(last, time) {
    if (this.#group !== null) Object.assign(this.#group, { last, ended: time, isOver: true });
    this.#group = null;
  }
}
