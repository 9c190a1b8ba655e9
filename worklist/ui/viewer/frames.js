/** Fetches and keeps frames: a few workers, one bounded cache, always the most wanted frame next. */
import { Problem, signedOut } from "../core/api.js";

const WORKERS = Math.max(2, Math.min(4, (navigator.hardwareConcurrency ?? 4) - 1));
const AT_ONCE = 4; // a browser has six connections to one server; the event stream takes one of them
const NEAR = 16; // places among the wanted frames that visible pictures do not take from each other
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

  /** `arrived(image)`: called when it is here or has failed. */
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
  isSettled = (image) => this.has(image) || Boolean(this.problem(image));

  /** Tries again what may succeed another time. */
  retry() {
    for (const [key, problem] of this.#failed) if (isPassing(problem)) this.#failed.delete(key);
    this.#pump();
  }

  /** What this pane wants from now on, in this order, in place of what it wanted before. */
  want(who, images) {
    this.#wanted.set(who, images);
    if (images.length) this.#makeWayFor(images[0]);
    this.#pump();
  }

  /** Fetches a frame before it is known how to read it; whoever wants it later finds it here. */
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

  /** Visible images do not wait for distant ones: the most distant request is aborted. */
  #makeWayFor(image) {
    if (this.#flying.size < AT_ONCE || !this.#isFree(image)) return;
    const ranked = [...this.#flying].map(([key, one]) => ({ key, one, rank: this.#rank(key) }));
    const { key, one, rank } = ranked.reduce((far, each) => (each.rank > far.rank ? each : far));
    if (rank < NEAR) return;
    one.worker.postMessage({ id: one.id });
    this.#flying.delete(key);
  }

  /** Its place among the wanted frames, from 0; infinite if nobody wants it. */
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

  /** How many frames like this one to fetch ahead: more would evict the first. */
  static room(image) {
    return Math.max(8, Math.floor(LIMIT / 2 / Math.max(1, image.rows * image.columns * 4)));
  }

  close() {
    this.#workers.forEach((worker) => worker.terminate());
    this.#cache.clear();
  }
}

const AHEAD = 12; // in the direction of scrolling before all others

/** The visible one, those ahead, and then all others from near to far. */
export function fromHere(images, at, direction) {
  const wanted = [images[at]];
  for (let step = 1; step <= AHEAD; step++) wanted.push(images[at + step * direction]);
  for (let step = 1; step < images.length; step++) {
    wanted.push(images[at - step * direction]);
    if (step > AHEAD) wanted.push(images[at + step * direction]);
  }
  return wanted.filter(Boolean);
}

/** Caused by the connection or the moment, not by the object. */
export const isPassing = ({ code, status }) => code === "NETWORK" || status === 429 || status >= 500;

const sizeOf = ({ samples, rgba }) => (samples ?? rgba).byteLength;
