/** Places of a view that are drawn anew only when what they show has changed, so that focus and open questions stay. */

import { fill, h } from '../core/html.js';

export class Places {
  #places;
  #shown = new Map();

  /** `names` are the places; the element of each has the class `<prefix>-<name>`. */
  constructor(prefix, names) {
    this.#places = new Map(names.map((name) => [name, h('div', { class: `${prefix}-${name}` })]));
  }

  /** The element of a place. */
  place(name) {
    return this.#places.get(name);
  }

  /** Fill a place with what `make()` answers, if `about` (plain values) differs from the last time. */
  show(name, about, make) {
    const text = JSON.stringify(about) ?? 'undefined';
    if (this.#shown.get(name) === text) return;
    this.#shown.set(name, text);
    fill(this.#places.get(name), make());
  }
}
