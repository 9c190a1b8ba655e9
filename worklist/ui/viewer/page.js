/** The viewer: patient on top, tools below, the series beside one to four panes. */
import { html, signal, useEffect, useMemo, useRef, useState } from "../core/html.js";
import { age, clock, day, personName, sex } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import { go } from "../core/router.js";
import { t } from "../core/strings.js";
import { first, text } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";
import { EmptyState, Failure, Skeleton } from "../kit/states.js";
import { toast } from "../kit/toast.js";
import { Help } from "../pages/frame.js";
import { Frames } from "./frames.js";
import { Pane } from "./pane.js";
import { Strip } from "./strip.js";
import { openStudy, priorsOf, readSeries, speedOf } from "./study.js";
import { Tags } from "./tags.js";
import { PaneView } from "./view.js";

const LAYOUTS = ["1x1", "1x2", "2x1", "2x2"];
const panesOf = (layout) => layout[0] * layout[2];

const WINDOWS = [
  ["default"],
  ["abdomen", { center: 40, width: 400 }],
  ["lung", { center: -600, width: 1500 }],
  ["bone", { center: 500, width: 2500 }],
  ["brain", { center: 40, width: 80 }],
];
const PLAIN = [["default"], ["full"]];

/** Windows in Hounsfield units for CT; for others what was sent, and all there is. */
const presetsOf = (series) => (series?.modality === "CT" ? WINDOWS : PLAIN);

/** All that the viewer holds while it is open. */
class Desk {
  studies = signal(null);
  priors = signal([]);
  problem = signal(null);
  layout = signal("1x1");
  active = signal(0);
  tool = signal(matchMedia("(pointer: coarse)").matches ? "scroll" : "window");
  linked = signal(false);
  #read = new Map(); // series UID → promise of all of it
  #asked = new Map(); // pane → UID of the series on its way
  #abort = new AbortController();

  constructor() {
    this.frames = new Frames((image) => this.panes.forEach((pane) => pane.arrived(image)));
    this.panes = Array.from({ length: 4 }, () => new Pane(this.frames));
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
      for (const prior of await priorsOf(found[0], signal)) {
        if (uids.includes(text(prior, "StudyInstanceUID"))) continue;
        const study = await openStudy(text(prior, "StudyInstanceUID"), signal);
        if (study) this.priors.value = [...this.priors.value, study];
      }
    } catch (problem) {
      if (!problem.aborted) this.problem.value = problem;
    }
  }

  /** A series into a pane, unless another was asked for meanwhile; read once, however often it is shown. */
  async show(series, pane = this.pane) {
    this.#asked.set(pane, series.uid);
    try {
      if (!this.#read.has(series.uid)) this.#read.set(series.uid, readSeries(series, this.#abort.signal));
      const whole = await this.#read.get(series.uid);
      if (this.#asked.get(pane) === series.uid) pane.show(whole);
    } catch (problem) {
      this.#read.delete(series.uid);
      if (!problem.aborted) toast(problem.message || t("problem.network"), { kind: "error", detail: problem.correlationId && t("problem.id", { id: problem.correlationId }) });
    }
  }

  /** A prior goes beside what is there, not in its place. */
  async choose(series) {
    const current = this.studies.value.some((study) => study.uid === series.study);
    if (!current && this.layout.value === "1x1") {
      this.layout.value = "1x2";
      this.active.value = 1;
    }
    await this.show(series);
  }

  arrange(layout) {
    this.layout.value = layout;
    if (this.active.value >= panesOf(layout)) this.active.value = 0;
    const used = new Set(this.shown.map((pane) => pane.series.value?.uid));
    for (const pane of this.shown) {
      if (pane.series.value) continue;
      const next = this.studies.value.flatMap((study) => study.series).find((each) => !used.has(each.uid));
      if (!next) break;
      used.add(next.uid);
      this.show(next, pane);
    }
    for (const pane of this.panes) if (!this.shown.includes(pane)) this.frames.want(pane, []);
  }

  scroll(pane, step) {
    if (!pane.by(step) || !this.linked.value) return;
    for (const other of this.shown) if (other !== pane) other.follow(pane.image, step);
  }

  step(by) {
    const { series } = this;
    const at = series.findIndex((each) => each.uid === this.pane.series.value?.uid);
    const next = series[at + by];
    if (next) this.show(next);
  }

  studyOf(series) {
    return [...(this.studies.value ?? []), ...this.priors.value].find((study) => study.uid === series?.study);
  }

  close() {
    this.#abort.abort();
    this.frames.close();
  }
}

export function Viewer({ query }) {
  const asked = (query.get("StudyInstanceUIDs") ?? query.get("StudyInstanceUID") ?? "").split(/[,\\]/).filter(Boolean);
  const wanted = query.get("SeriesInstanceUID");
  const desk = useMemo(() => new Desk(), [asked.join()]);
  useEffect(() => {
    if (asked.length) desk.open(asked, wanted);
    return () => desk.close();
  }, [desk]);
  useCine(desk);
  const leave = () => go("/", lastList());
  if (!asked.length) return html`<${Nothing} text=${t("viewer.noStudy")} onBack=${leave} />`;
  if (desk.problem.value) return html`<${Failure} problem=${desk.problem.value} onRetry=${() => location.reload()} />`;
  if (!desk.studies.value) return html`<${Skeleton} rows=${12} />`;
  if (!desk.studies.value.length) return html`<${Nothing} text=${t("viewer.missing")} onBack=${leave} />`;
  return html`<${Desktop} desk=${desk} onBack=${leave} />`;
}

const lastList = () => new URLSearchParams(sessionStorage.getItem("list") ?? "");

const Nothing = ({ text: words, onBack }) => html`<${EmptyState} icon="images" title=${words}>
  <${Button} kind="main" icon="arrow-left" label=${t("viewer.back")} onClick=${onBack} />
<//>`;

/** Plays the active pane; a frame that is not here yet is waited for, not skipped. */
function useCine(desk) {
  useEffect(() => {
    let last = 0;
    let handle = requestAnimationFrame(function turn(now) {
      handle = requestAnimationFrame(turn);
      for (const pane of desk.shown) {
        if (!pane.playing.value || now - last < 1000 / speedOf(pane.image) - 4) continue;
        const next = (pane.index.value + 1) % Math.max(1, pane.images.length);
        if (!pane.frames.has(pane.images[next])) continue;
        last = now;
        pane.to(next);
      }
    });
    return () => cancelAnimationFrame(handle);
  }, [desk]);
}

function Desktop({ desk, onBack }) {
  const [open, setOpen] = useState(null); // "tags" or "help"
  const { pane } = desk;
  const series = pane.series.value;
  const study = desk.studyOf(series) ?? desk.studies.value[0];
  const close = () => setOpen(null);
  useViewerKeys(desk, setOpen, onBack);
  useEffect(() => {
    document.title = `${personName(first(study.dataset, "PatientName"))} · ${t("app")}`;
  }, [study]);
  const titles = new Map([...desk.studies.value, ...desk.priors.value].map((each) => [each.uid, text(each.dataset, "StudyDescription")]));
  return html`<div class="viewer">
    <${Banner} dataset=${study.dataset} onBack=${onBack} />
    <${Tools} desk=${desk} onOpen=${setOpen} />
    <${Strip} desk=${desk} />
    <main class=${`panes g${desk.layout.value}`}>
      ${desk.shown.map(
        (each, index) => html`<${PaneView}
          key=${each.id}
          pane=${each}
          active=${index === desk.active.value}
          tool=${desk.tool}
          title=${titles.get(each.series.value?.study) ?? ""}
          onActivate=${() => (desk.active.value = index)}
          onScroll=${(step) => desk.scroll(each, step)}
        />`,
      )}
    </main>
    ${open === "tags" && series && html`<${Tags} dataset=${pane.image?.dataset ?? series.datasets[0]} onClose=${close} />`}
    ${open === "help" && html`<${Help} onClose=${close} />`}
  </div>`;
}

/** Whose images these are: of the pane that is active, never out of sight. */
function Banner({ dataset, onBack }) {
  const birth = text(dataset, "PatientBirthDate");
  const facts = [
    [t("col.id"), text(dataset, "PatientID")],
    [t("col.birth"), [day(birth), age(birth, text(dataset, "StudyDate"))].filter(Boolean).join(" · ")],
    [t("field.sex"), sex(text(dataset, "PatientSex"))],
    [t("col.accession"), text(dataset, "AccessionNumber")],
  ].filter(([, value]) => value);
  const when = [day(text(dataset, "StudyDate")), clock(text(dataset, "StudyTime"))].join(" ");
  return html`<header class="patient">
    <${Button} bare icon="arrow-left" label=${t("viewer.back")} keys="Escape" onClick=${onBack} />
    <strong>${personName(first(dataset, "PatientName"))}</strong>
    ${facts.map(([label, value]) => html`<span key=${label}>${label} <b>${value}</b></span>`)}
    <span class="study">${text(dataset, "StudyDescription")} <b>${when}</b></span>
  </header>`;
}

const TOOLS = [
  ["window", "circle-half", "w"],
  ["scroll", "list-task", "s"],
  ["pan", "arrows-move", "h"],
  ["zoom", "zoom-in", "z"],
  ["length", "arrows", "l"],
  ["angle", "triangle", "a"],
];

const nextLayout = (desk) => desk.arrange(LAYOUTS[(LAYOUTS.indexOf(desk.layout.value) + 1) % LAYOUTS.length]);

function clearMeasures(pane) {
  if (pane.image) pane.measures.delete(pane.image.key);
  pane.redraw();
}

function toggleInvert(pane) {
  pane.invert.value = !pane.invert.value;
  pane.redraw();
}

function Tools({ desk, onOpen }) {
  const { pane } = desk;
  const presets = presetsOf(pane.series.value);
  const chosen = presets.findIndex(([, window]) => window && window.center === pane.window.value?.center && window.width === pane.window.value?.width);
  const choose = (event) => applyPreset(pane, Number(event.currentTarget.value));
  return html`<section class="tools" aria-label=${t("viewer.tools")}>
    ${TOOLS.map(
      ([id, icon, key]) => html`<${Button} key=${id} bare icon=${icon} label=${t(`tool.${id}`)} keys=${key} pressed=${desk.tool.value === id} onClick=${() => (desk.tool.value = id)} />`,
    )}
    <span class="rule"></span>
    <select aria-label=${t("viewer.presets")} title=${`${t("viewer.presets")} (1–5)`} onChange=${choose}>
      ${presets.map(([id], index) => html`<option key=${id} value=${index} selected=${index === Math.max(chosen, 0)}>${index + 1} ${t(`viewer.preset.${id}`)}</option>`)}
    </select>
    <${Button} bare icon="brightness-high" label=${t("viewer.invert")} keys="i" pressed=${pane.invert.value} onClick=${() => toggleInvert(pane)} />
    <${Button} bare icon="arrow-counterclockwise" label=${t("viewer.reset")} keys="r" onClick=${() => pane.reset()} />
    <${Button} bare icon="eraser" label=${t("viewer.clear")} keys="Delete" onClick=${() => clearMeasures(pane)} />
    <span class="rule"></span>
    <${Button} bare icon=${pane.playing.value ? "pause-fill" : "play-fill"} label=${t("viewer.cine")} keys="c" pressed=${pane.playing.value} onClick=${() => (pane.playing.value = !pane.playing.value)} />
    <${Button} bare icon="link-45deg" label=${t("viewer.link")} keys="y" pressed=${desk.linked.value} onClick=${() => (desk.linked.value = !desk.linked.value)} />
    <span class="rule"></span>
    ${LAYOUTS.map(
      (id) => html`<${Button} key=${id} label=${id.replace("x", "×")} pressed=${desk.layout.value === id} title=${`${t("viewer.layout")} (g)`} onClick=${() => desk.arrange(id)} />`,
    )}
    <span class="gap"></span>
    <${Button} icon="tags" label=${t("viewer.tags")} keys="t" onClick=${() => onOpen("tags")} />
    <${Button} bare icon="question-circle" label=${t("nav.help")} keys="?" onClick=${() => onOpen("help")} />
  </section>`;
}

function applyPreset(pane, index) {
  const [id, window] = presetsOf(pane.series.value)[index] ?? [];
  if (id) pane.preset(window ?? id);
}

function useViewerKeys(desk, onOpen, onBack) {
  const { pane } = desk;
  const scroll = (step) => () => desk.scroll(pane, step);
  const focusPane = (index) => {
    desk.active.value = index;
    document.querySelector(`[data-pane="${desk.panes[index].id}"]`)?.focus();
  };
  useKeys([
    { key: "ArrowDown", also: ["j"], back: ["ArrowUp", "k"], label: t("key.scroll"), run: scroll(1) },
    { key: "ArrowUp", also: ["k"], run: scroll(-1) },
    { key: "PageDown", run: scroll(10) },
    { key: "PageUp", run: scroll(-10) },
    { key: "Home", also: ["End"], label: t("key.firstlast"), run: (event) => desk.scroll(pane, (event.key === "Home" ? -1 : 1) * pane.count) },
    { key: "ArrowRight", also: ["ArrowLeft"], label: t("key.series"), run: (event) => desk.step(event.key === "ArrowRight" ? 1 : -1) },
    { key: "n", label: t("key.pane"), run: () => focusPane((desk.active.value + 1) % desk.shown.length) },
    { key: "1", also: ["2", "3", "4", "5"], label: t("key.preset"), run: (event) => applyPreset(pane, Number(event.key) - 1) },
    ...TOOLS.map(([id, , key]) => ({ key, label: t(`tool.${id}`), run: () => (desk.tool.value = id) })),
    { key: "+", also: ["-"], label: t("key.zoom"), run: (event) => pane.zoomBy(event.key === "+" ? 1.25 : 0.8) },
    { key: "i", label: t("viewer.invert"), run: () => toggleInvert(pane) },
    { key: "r", label: t("viewer.reset"), run: () => pane.reset() },
    { key: "c", label: t("viewer.cine"), run: () => (pane.playing.value = !pane.playing.value) },
    { key: "y", label: t("viewer.link"), run: () => (desk.linked.value = !desk.linked.value) },
    { key: "g", label: t("key.layout"), run: () => nextLayout(desk) },
    { key: "Delete", label: t("viewer.clear"), run: () => clearMeasures(pane) },
    { key: "t", label: t("viewer.tags"), run: () => onOpen("tags") },
    { key: "?", label: t("key.help"), run: () => onOpen("help") },
    { key: "Escape", label: t("viewer.back"), run: onBack },
  ]);
  const ready = useRef(false);
  useEffect(() => {
    if (ready.current) return;
    ready.current = true;
    focusPane(0);
  });
}
