/** Frames on their way and at hand: a few workers, one cache with a limit, always the most wanted next. */
import { Problem, signedOut } from "../core/api.js";

const WORKERS = Math.max(2, Math.min(4, (navigator.hardwareConcurrency ?? 4) - 1));
const AT_ONCE = 4; // a browser has six connections to one server; the event stream takes one of them
const NEAR = 16; // places among what is wanted that no picture in sight takes from another
/** Bytes. */
const LIMIT = (navigator.deviceMemory ?? 4) * 160 * (1 << 20);

export class Frames {
  #workers = Array.from({ length: WORKERS }, () => this.#worker());
  #cache = new Map(); // key → frame, the least recently used first
  #bytes = 0;
  #flying = new Map(); // key → {id, image, worker}
  #failed = new Map(); // key → Problem
  #expected = new Map(); // key → the worker that fetches it already
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
    if (images.length) this.#makeWayFor(images[0]);
    this.#pump();
  }

  /** Fetches a frame of which nobody can say yet how it is read: who wants it later finds it there. */
  expect(image) {
    const [worker] = this.#workers;
    this.#expected.set(image.key, worker);
    image.layout().then((layout) => worker.postMessage({ expected: layout }));
  }

  #worker() {
    const worker = new Worker(new URL("./workers/frame.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => this.#landed(data);
    return worker;
  }

  #isFree = ({ key }) => !this.#cache.has(key) && !this.#flying.has(key) && !this.#failed.has(key);

  /** What is in sight does not wait for what lies far from it: the farthest on its way is given up. */
  #makeWayFor(image) {
    if (this.#flying.size < AT_ONCE || !this.#isFree(image)) return;
    const ranked = [...this.#flying].map(([key, one]) => ({ key, one, rank: this.#rank(key) }));
    const { key, one, rank } = ranked.reduce((far, each) => (each.rank > far.rank ? each : far));
    if (rank < NEAR) return;
    one.worker.postMessage({ id: one.id });
    this.#flying.delete(key);
  }

  /** Its place among what is wanted, the first being 0; infinite when nobody wants it. */
  #rank(key) {
    const places = [...this.#wanted.values()].map((images) => images.findIndex((image) => image.key === key));
    return Math.min(...places.filter((place) => place >= 0), Infinity);
  }

  #next() {
    let best;
    for (const images of this.#wanted.values()) {
      const rank = images.findIndex(this.#isFree);
      if (rank >= 0 && (!best || rank < best.rank)) best = { image: images[rank], rank };
    }
    return best?.image;
  }

  #pump() {
    while (this.#flying.size < AT_ONCE) {
      const image = this.#next();
      if (!image) return;
      const id = ++this.#made;
      const one = { id, image, worker: this.#expected.get(image.key) ?? this.#workers[id % WORKERS] };
      this.#flying.set(image.key, one);
      image.layout().then(
        (layout) => this.#isFlying(one) && one.worker.postMessage({ id, key: image.key, layout }),
        (problem) => this.#landed({ id, key: image.key, problem }),
      );
    }
  }

  #isFlying = ({ id, image }) => this.#flying.get(image.key)?.id === id;

  #landed({ id, key, problem, ...frame }) {
    const { image, ...one } = this.#flying.get(key) ?? {};
    if (one.id !== id) return; // given up
    this.#flying.delete(key);
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

const AHEAD = 12; // in the direction of scrolling before all others

/** The one in sight, those ahead, and then all others from near to far. */
export function fromHere(images, at, direction) {
  const wanted = [images[at]];
  for (let step = 1; step <= AHEAD; step++) wanted.push(images[at + step * direction]);
  for (let step = 1; step < images.length; step++) {
    wanted.push(images[at - step * direction]);
    if (step > AHEAD) wanted.push(images[at + step * direction]);
  }
  return wanted.filter(Boolean);
}

/** Not of the object, but of the connection or the moment. */
export const isPassing = ({ code, status }) => code === "NETWORK" || status === 429 || status >= 500;

const sizeOf = ({ samples, rgba }) => (samples ?? rgba).byteLength;
