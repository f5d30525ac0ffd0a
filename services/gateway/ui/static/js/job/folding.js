/** Which sections are folded: by default, by choice, and open because something in them is wanted. Pure. */

import { foldedByDefault, isActive } from './outline.js';

export class Folding {
  #choices = new Map(); // head's number -> is folded
  #wanted = new Set(); // lines that must be seen

  /** The numbers of the heads of folded sections. */
  folded(sections, jobStatus) {
    const byDefault = foldedByDefault(sections, jobStatus);
    const folded = new Set();
    for (const section of sections) {
      // What somebody watches stays open when it ends: nothing closes under their eyes.
      if (section.state === 'running' && isActive(jobStatus) && !this.#choices.has(section.n)) this.#choices.set(section.n, false);
      if (this.#choices.get(section.n) ?? (byDefault.has(section.n) && !this.#holdsWanted(section))) folded.add(section.n);
    }
    return folded;
  }

  /** Fold a section or open it. */
  choose(section, isFolded) {
    this.#choices.set(section.n, isFolded);
  }

  /** Open what hides a line, also when the sections that hold it are not known yet. */
  uncover(n, sections) {
    this.#wanted.add(n);
    for (const section of sections) {
      if (section.n < n && n <= section.last && this.#choices.get(section.n)) this.#choices.set(section.n, false);
    }
  }

  /** Fold or open all sections. */
  chooseAll(sections, isFolded) {
    for (const section of sections) this.choose(section, isFolded);
  }

  /** Forget everything: the log begins anew. */
  clear() {
    this.#choices.clear();
  }

  #holdsWanted(section) {
    for (const n of this.#wanted) if (n > section.n && n <= section.last) return true;
    return false;
  }
}
