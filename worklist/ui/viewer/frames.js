/** Frames on their way and at hand: a few workers, one cache with a limit, always the most wanted next. */
import { Problem, signedOut } from "../core/api.js";

const WORKERS = Math.max(2, Math.min(4, (navigator.hardwareConcurrency ?? 4) - 1));
const AT_ONCE = 4; // a browser has six connections to one server; the event stream takes one of them
/** Bytes. */
const LIMIT = (navigator.deviceMemory ?? 4) * 160 * (1 << 20);

export class Frames {
  #workers = Array.from({ length: WORKERS }, () => this.#worker());
  #cache = new Map(); // key → frame, the least recently used first
  #bytes = 0;
  #flying = new Set(); // keys
  #waiting = new Map(); // id → image
  #failed = new Map(); // key → Problem
  #wanted = new Map(); // who → images, the most wanted first
  #made = 0;
  #arrived;

  /** `arrived(image)`: it is here, or has failed. */
  constructor(arrived) {
    this.#arrived = arrived;
  }

  get = (image) => {
    const found = this.#cache.get(image.key);
    if (found) {
      this.#cache.delete(image.key);
      this.#cache.set(image.key, found);
    }
    return found;
  };

  has = (image) => this.#cache.has(image.key);
  problem = (image) => this.#failed.get(image.key);

  /** Whatever may succeed another time is tried again. */
  retry() {
    for (const [key, problem] of this.#failed) if (isPassing(problem)) this.#failed.delete(key);
    this.#pump();
  }

  /** What somebody wants from now on, in this order; it takes the place of what they wanted before. */
  want(who, images) {
    this.#wanted.set(who, images);
    this.#pump();
  }

  #worker() {
    const worker = new Worker(new URL("./workers/frame.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => this.#landed(data);
    return worker;
  }

  #next() {
    const free = (image) => !this.#cache.has(image.key) && !this.#flying.has(image.key) && !this.#failed.has(image.key);
    let best;
    for (const images of this.#wanted.values()) {
      const rank = images.findIndex(free);
      if (rank >= 0 && (!best || rank < best.rank)) best = { image: images[rank], rank };
    }
    return best?.image;
  }

  #pump() {
    while (this.#flying.size < AT_ONCE) {
      const image = this.#next();
      if (!image) return;
      const id = ++this.#made;
      const worker = this.#workers[id % WORKERS];
      this.#flying.add(image.key);
      this.#waiting.set(id, image);
      image.layout().then(
        (layout) => worker.postMessage({ id, layout }),
        (problem) => this.#landed({ id, problem }),
      );
    }
  }

  #landed({ id, problem, ...frame }) {
    const image = this.#waiting.get(id);
    if (!image) return;
    this.#waiting.delete(id);
    this.#flying.delete(image.key);
    if (problem?.status === 401) signedOut();
    if (problem) this.#failed.set(image.key, new Problem(problem.message, problem));
    else this.#keep(image, frame);
    this.#arrived(image);
    this.#pump();
  }

  #keep(image, frame) {
    this.#cache.set(image.key, frame);
    this.#bytes += sizeOf(frame);
    for (const [key, old] of this.#cache) {
      if (this.#bytes <= LIMIT || key === image.key) break;
      this.#cache.delete(key);
      this.#bytes -= sizeOf(old);
    }
  }

  /** How many frames like this one are worth fetching ahead: more would push out the first. */
  static room(image) {
    return Math.max(8, Math.floor(LIMIT / 2 / Math.max(1, image.rows * image.columns * 4)));
  }

  close() {
    this.#workers.forEach((worker) => worker.terminate());
    this.#cache.clear();
  }
}

/** Not of the object, but of the connection or the moment. */
export const isPassing = ({ code, status }) => code === "NETWORK" || status === 429 || status >= 500;

const sizeOf = ({ samples, rgba }) => (samples ?? rgba).byteLength;
