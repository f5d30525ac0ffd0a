/** Lists that the gateway answers in parts (`limit`, `offset`): filters and place stand in the address. */

import { address } from '../core/api.js';
import { fill, h } from '../core/html.js';
import { atMostEvery } from '../core/pace.js';
import { complain } from './notices.js';
import { pages } from './rows.js';

const PAGE = 50;
const PACE_MS = 1000; // a busy installation has many events a second, and nobody reads that fast

/**
 * One such list, at the address `at` (`/ui/users`).
 *
 * `load(query)` is async and answers a part: {items, total, limit, offset, next_offset}; `query` holds the filters,
 * `limit` and `offset`. `filters` are the names of filters in the address. `nothing(filter)` makes what stands in place
 * of no rows. `noun` is [one, many], for `count`; null: nobody shows it. `drawn(page)` is called after each reading.
 * A view places `elements`, and `count` where it wants; `readSoon()` is for events.
 */
export class Paged {
  #at;
  #load;
  #rows;
  #nothing;
  #noun;
  #drawn;
  #asked = 0;
  #shown = 0;
  #place = h('div');
  #foot = h('div');

  constructor({ at, load, filters, query, signal, rows, nothing, noun = null, drawn = () => {} }) {
    this.filter = Object.fromEntries(filters.map((name) => [name, query.get(name) ?? '']));
    this.offset = Number(query.get('offset')) || 0;
    this.count = h('p', { class: 'muted number', role: 'status' });
    this.elements = [this.#place, this.#foot];
    this.#at = at;
    this.#load = load;
    this.#rows = rows;
    this.#nothing = nothing;
    this.#noun = noun;
    this.#drawn = drawn;
    this.readSoon = atMostEvery(PACE_MS, () => this.read().catch(complain), signal);
  }

  /** Read and show the part of the list that the address names. Throws ApiError. */
  read = async () => {
    const turn = (this.#asked += 1);
    const page = await this.#load({ ...this.filter, limit: PAGE, offset: this.offset });
    if (turn < this.#shown) return; // a later reading was faster
    this.#shown = turn;
    this.#rows.set(page.items);
    if (this.#noun) fill(this.count, page.total === 1 ? `1 ${this.#noun[0]}` : `${page.total.toLocaleString()} ${this.#noun[1]}`);
    fill(this.#place, this.#rows.size > 0 ? this.#rows.element : this.#nothing(this.filter));
    fill(this.#foot, pages(page, (offset) => address(this.#at, { ...this.filter, offset })));
    this.#drawn(page);
  };

  /** Read again from the beginning, because the filter is another one. */
  change = () => {
    this.offset = 0;
    return this.read();
  };
}
