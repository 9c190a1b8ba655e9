/** A list on the server, fetched a page at a time as its rows become visible. */
import { signal } from "./html.js";

const PAGE = 100;
const NEAR = 25; // rows by which the list may move while others load

export class Paged {
  total = signal(null);
  /** Whether there are more than `total`, because the server did not count them all. */
  more = signal(false);
  version = signal(0);
  problem = signal(null);
  #rows = [];
  #asked = new Set();
  #sight = [0, 1];
  #abort = new AbortController();

  row = (index) => this.#rows[index];

  find = (is) => this.#rows.findIndex((row) => row && is(row));

  /** Whether there is such a page. */
  has = (page) => page * PAGE < (this.total.value ?? 0);

  /** Call with the rows that become visible. */
  need = (first, last) => {
    this.#sight = [first, last];
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) {
      if (this.#asked.has(page) || !this.has(page)) continue;
      this.fetch(page).catch((problem) => {
        this.#asked.delete(page);
        this.fail(problem);
      });
    }
  };

  /** Pages that a list replacing this one needs to have no gaps: the visible ones, and those around a row. */
  pagesInUse(index) {
    const [first, last] = this.#sight;
    const places = [first, last - 1, ...(index < 0 ? [] : [index - NEAR, index + NEAR])];
    return [...new Set(places.map((place) => Math.max(0, Math.floor(place / PAGE))))];
  }

  /** Returns the number of rows on the page. Subclasses have `load({limit, offset}, options)`. */
  async fetch(page) {
    this.#asked.add(page);
    const { items, total } = await this.load({ limit: PAGE, offset: page * PAGE }, { signal: this.#abort.signal });
    items.forEach((item, index) => (this.#rows[page * PAGE + index] = item));
    const seen = page * PAGE + items.length;
    this.more.value = total === null && items.length === PAGE;
    this.total.value = total ?? Math.max(this.total.value ?? 0, seen + (this.more.value ? PAGE : 0));
    this.version.value += 1;
    return items.length;
  }

  fail(problem) {
    if (!problem.aborted) this.problem.value = problem;
  }

  stop() {
    this.#abort.abort();
  }
}
