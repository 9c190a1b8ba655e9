/** The state of an open viewer: the studies, the panes, and what they show. */
import { batch, computed, signal } from "../core/html.js";
import { number, text } from "../dicom/dataset.js";
import { toastProblem } from "../kit/toast.js";
import { Frames } from "./frames.js";
import { hangingOf, inPairs } from "./mammography.js";
import { Metadata } from "./metadata.js";
import { Pane } from "./pane.js";
import { countOf, glimpse, openStudy, priorsOf, readSeries } from "./study.js";

export const LAYOUTS = ["1x1", "1x2", "2x1", "2x2"];
const panesOf = (layout) => layout[0] * layout[2];

export class Desk {
  studies = signal(null);
  priors = signal([]);
  problem = signal(null);
  layout = signal("1x1");
  active = signal(0);
  tool = signal(matchMedia("(pointer: coarse)").matches ? "scroll" : "window");
  linked = signal(false);
  /** What lies over it: "tags", "help" or "palette". */
  opened = signal(null);
  /** Whether anything is visible yet: other requests wait for that. */
  seen = signal(false);
  /** Whether the server has more, or fewer, images of these studies than when they were opened. */
  changed = signal(false);
  #panes = signal([]);
  #read = new Map(); // series UID → promise of its parts
  #asked = new Map(); // pane → id of the series that it shows, or that is on its way
  #abort = new AbortController();
  #metadata = new Metadata();

  constructor() {
    this.frames = new Frames((image) => {
      this.seen.value = true;
      this.panes.forEach((pane) => pane.arrived(image));
    });
    this.#panes.value = Array.from({ length: 4 }, () => new Pane(this.frames));
    this.panes.forEach((pane) => (pane.hung = computed(() => this.#hanging(pane))));
  }

  get panes() {
    return this.#panes.value;
  }

  get pane() {
    return this.panes[this.active.value];
  }

  get shown() {
    return this.panes.slice(0, panesOf(this.layout.value));
  }

  get series() {
    return [...(this.studies.value ?? []), ...this.priors.value].flatMap((study) => study.series);
  }

  async open(uids, wanted) {
    const { signal } = this.#abort;
    try {
      const found = (await Promise.all(uids.map((uid) => openStudy(uid, signal)))).filter(Boolean);
      this.studies.value = found;
      if (!found.length) return;
      const series = this.series.find((each) => each.uid === wanted) ?? this.series[0];
      if (series) await this.show(series);
      await this.#openPriors(found[0], uids, signal);
    } catch (problem) {
      if (!problem.aborted) this.problem.value = problem;
    }
  }

  /** Asks how many images the studies have now. */
  async check() {
    const { signal } = this.#abort;
    const now = await Promise.all(this.studies.value.map(({ uid }) => countOf(uid, signal)));
    this.changed.value = this.studies.value.some(({ dataset }, index) => now[index] !== number(dataset, "NumberOfStudyRelatedInstances"));
  }

  /** Failing to find them does not matter to the study. */
  async #openPriors(current, uids, signal) {
    try {
      for (const prior of await priorsOf(current, signal)) {
        if (uids.includes(text(prior, "StudyInstanceUID"))) continue;
        const study = await openStudy(text(prior, "StudyInstanceUID"), signal);
        if (study) this.priors.value = [...this.priors.value, study];
      }
    } catch (problem) {
      toastProblem(problem);
    }
  }

  /** Puts a series into a pane, unless another has been requested since. It is read once, however often it is shown. */
  async show(series, pane = this.pane) {
    this.#asked.set(pane, series.id);
    pane.coming.value = pane.series.value?.id !== series.id;
    const show = (part) => this.#asked.get(pane) === series.id && pane.show(part);
    try {
      if (!this.#read.has(series.uid)) this.#read.set(series.uid, this.#readAll(series, show));
      const parts = await this.#read.get(series.uid);
      if (parts.length > 1) this.#list(series, parts);
      show(parts.find(({ id }) => id === series.id) ?? parts[0]);
      this.seen.value ||= !this.pane.images.length;
    } catch (problem) {
      if (this.#asked.get(pane) === series.id) {
        pane.coming.value = false;
        this.#asked.set(pane, pane.series.value?.id);
      }
      this.seen.value = true;
      this.#read.delete(series.uid);
      toastProblem(problem);
    }
  }

  /** For a large series, first what one picture needs; a fault in that shows when everything is read. */
  async #readAll(series, show) {
    const first = await glimpse(series, { metadata: this.#metadata, frames: this.frames }, this.#abort.signal).catch(() => undefined);
    if (first) show(first);
    return readSeries(series, this.#metadata);
  }

  /** What is known only once a series has been read: that it has more than images. */
  #list({ study, uid }, parts) {
    const listed = (each) => (each.uid !== uid ? [each] : each.id === uid ? parts : []);
    for (const list of [this.studies, this.priors]) {
      list.value = list.value.map((each) => (each.uid === study ? { ...each, series: each.series.flatMap(listed) } : each));
    }
  }

  /** Opens what an object refers to beside it. */
  async refer({ series, sop }) {
    const found = this.series.find(({ id }) => id === series);
    if (!found) return;
    if (this.layout.value === "1x1") this.layout.value = "1x2";
    this.active.value = (this.active.value + 1) % this.shown.length;
    const { pane } = this;
    await this.show(found, pane);
    pane.toInstance(sop);
  }

  /** Opens a prior beside what is shown, not in its place. */
  async choose(series) {
    const current = this.studies.value.some((study) => study.uid === series.study);
    if (!current && this.layout.value === "1x1") {
      this.layout.value = "1x2";
      this.active.value = 1;
    }
    await this.show(series);
  }

  /** Fills the panes of a layout; what is on its way to one stays so. */
  async arrange(layout) {
    this.layout.value = layout;
    if (this.active.value >= panesOf(layout)) this.active.value = 0;
    const coming = [];
    const used = new Set(this.shown.map((pane) => this.#asked.get(pane)));
    for (const pane of this.shown) {
      if (pane.series.value) continue;
      const asked = this.series.find(({ id }) => id === this.#asked.get(pane));
      const next = asked ?? this.studies.value.flatMap((study) => study.series).find((each) => !used.has(each.id));
      if (!next) break;
      used.add(next.id);
      coming.push(this.show(next, pane));
    }
    for (const pane of this.panes) if (!this.shown.includes(pane)) this.frames.want(pane, []);
    await Promise.all(coming);
    if (coming.length && layout === this.layout.value) this.#pair();
  }

  /** Puts the panes into the order of a mammogram's views. */
  #pair() {
    const { pane, shown } = this;
    if (!this.layout.value.endsWith("x2")) return;
    batch(() => {
      this.#panes.value = [...inPairs(shown), ...this.panes.slice(shown.length)];
      this.active.value = this.panes.indexOf(pane);
    });
  }

  #hanging(pane) {
    const { shown } = this;
    const at = shown.indexOf(pane);
    if (at < 0 || !this.layout.value.endsWith("x2")) return undefined;
    return hangingOf(shown[at & ~1].image, shown[at | 1].image, pane.image);
  }

  scroll(pane, step) {
    const before = pane.image;
    if (!pane.by(step) || !this.linked.value || !before) return;
    for (const other of this.shown) if (other !== pane) other.follow(pane.image, before, step);
  }

  /** From the series on its way, if there is one: no step is lost. */
  step(by) {
    const { series } = this;
    const at = series.findIndex((each) => each.id === this.#asked.get(this.pane));
    const next = series[at + by];
    if (next) this.show(next);
  }

  studyOf(series) {
    return [...(this.studies.value ?? []), ...this.priors.value].find((study) => study.uid === series?.study);
  }

  close() {
    this.#abort.abort();
    this.#metadata.close();
    this.frames.close();
  }
}
