/** Data sets of series and instances, read in a worker, with only the `Tag`s that the pages know. */
import { DICOMWEB, Problem, signedOut } from "../core/api.js";

export class Metadata {
  #worker = new Worker(new URL("./workers/metadata.js", import.meta.url), { type: "module" });
  #waiting = new Map(); // id → how its promise ends
  #made = 0;

  constructor() {
    this.#worker.onmessage = ({ data }) => this.#landed(data);
  }

  /** Of one instance, when `sop` is given. */
  read(study, series, sop) {
    const id = ++this.#made;
    const instance = sop ? `/instances/${sop}` : "";
    const ended = Promise.withResolvers();
    this.#waiting.set(id, ended);
    this.#worker.postMessage({ id, url: `${DICOMWEB}/studies/${study}/series/${series}${instance}/metadata` });
    return ended.promise;
  }

  #landed({ id, datasets, problem }) {
    const ended = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (problem?.status === 401) signedOut();
    if (problem) ended.reject(new Problem(problem.message, problem));
    else ended.resolve(datasets);
  }

  /** Whatever has not been read yet never will be. */
  close() {
    this.#worker.terminate();
  }
}
