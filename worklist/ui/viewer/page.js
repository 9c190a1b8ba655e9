/** The viewer: patient on top, tools below, the series beside one to four panes. */
import { html, useEffect, useMemo, useRef, useState } from "../core/html.js";
import { onChange } from "../core/events.js";
import { age, clock, day, personName, sex } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import { adjust, go } from "../core/router.js";
import { t } from "../core/strings.js";
import { first, text } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";
import { Palette } from "../kit/palette.js";
import { EmptyState, Skeleton, Trouble } from "../kit/states.js";
import { Help, Interrupted, findStudies } from "../pages/frame.js";
import { Desk } from "./desk.js";
import { Strip } from "./strip.js";
import { speedOf } from "./study.js";
import { Tags } from "./tags.js";
import { TOOLS, Tools, applyPreset, clearMeasures, nextLayout, toggleInvert } from "./tools.js";
import { PaneView } from "./view.js";

const LINE = 40; // pixels by which an arrow key moves a document
const SETTLING = 1000; // milliseconds in which events are gathered into one question

export function Viewer({ query }) {
  const asked = (query.get("StudyInstanceUIDs") ?? query.get("StudyInstanceUID") ?? "").split(/[,\\]/).filter(Boolean);
  const wanted = query.get("SeriesInstanceUID");
  const [turn, setTurn] = useState(0);
  const desk = useMemo(() => new Desk(), [asked.join(), turn]);
  useEffect(() => {
    if (asked.length) desk.open(asked, wanted);
    return () => desk.close();
  }, [desk]);
  useCine(desk);
  useNews(desk, asked);
  const renew = () => {
    adjust({ SeriesInstanceUID: desk.pane.series.value?.uid ?? "" });
    setTurn(turn + 1);
  };
  const leave = () => go("/", lastList());
  useKeys([
    { key: "Ctrl+k", label: t("key.palette"), run: () => (desk.opened.value = "palette"), whileTyping: true },
    { key: "?", label: t("key.help"), run: () => (desk.opened.value = "help") },
    { key: "Escape", label: t("viewer.back"), run: leave },
  ]);
  return html`<${Content} desk=${desk} asked=${asked} onBack=${leave} onRenew=${renew} /><${Opened} desk=${desk} onBack=${leave} />`;
}

function Content({ desk, asked, onBack, onRenew }) {
  if (!asked.length) return html`<${Nothing} text=${t("viewer.noStudy")} onBack=${onBack} />`;
  if (desk.problem.value) return html`<${Trouble} problem=${desk.problem.value} onRetry=${() => location.reload()} onBack=${onBack} />`;
  if (!desk.studies.value) return html`<${Skeleton} rows=${12} />`;
  if (!desk.studies.value.length) return html`<${Nothing} text=${t("viewer.missing")} onBack=${onBack} />`;
  return html`<${Desktop} desk=${desk} onBack=${onBack} onRenew=${onRenew} />`;
}

/** Lies over everything, while the studies are loading or missing too. */
function Opened({ desk, onBack }) {
  const open = desk.opened.value;
  const close = () => (desk.opened.value = null);
  if (open === "help") return html`<${Help} onClose=${close} />`;
  if (open === "palette") return html`<${Palette} actions=${actionsOf(desk, onBack)} find=${findStudies} onClose=${close} />`;
  const dataset = open === "tags" && (desk.pane.image?.dataset ?? desk.pane.series.value?.datasets[0]);
  return dataset ? html`<${Tags} dataset=${dataset} onClose=${close} />` : null;
}

/** Notices when images of an open study arrive, once nothing more urgent needs the connection. */
function useNews(desk, uids) {
  const seen = desk.seen.value;
  useEffect(() => {
    if (!seen) return undefined;
    let timer = 0;
    const stop = onChange((event) => {
      if (event && !uids.includes(event.resource)) return;
      clearTimeout(timer);
      timer = setTimeout(() => desk.check().catch(() => {}), SETTLING); // if that fails, the next event asks again
    });
    return () => (clearTimeout(timer), stop());
  }, [desk, seen]);
}

const lastList = () => new URLSearchParams(sessionStorage.getItem("list") ?? "");

const Nothing = ({ text: words, onBack }) => html`<main>
  <${EmptyState} icon="images" title=${words} heading="h1">
    <${Button} kind="main" icon="arrow-left" label=${t("viewer.back")} onClick=${onBack} />
  <//>
</main>`;

/** Plays the panes that were started, each at its own speed. Waits for frames that are not here yet instead of skipping them. */
function useCine(desk) {
  useEffect(() => {
    const turned = new Map(); // pane → when its frame last changed
    let handle = requestAnimationFrame(function turn(now) {
      handle = requestAnimationFrame(turn);
      for (const pane of desk.shown) {
        if (!pane.playing.value || now - (turned.get(pane) ?? 0) < 1000 / speedOf(pane.image) - 4) continue;
        const next = (pane.index.value + 1) % Math.max(1, pane.images.length);
        if (!pane.frames.isSettled(pane.images[next])) continue;
        turned.set(pane, now);
        pane.to(next);
      }
    });
    return () => cancelAnimationFrame(handle);
  }, [desk]);
}

function Desktop({ desk, onBack, onRenew }) {
  const { pane } = desk;
  const series = pane.series.value;
  const study = desk.studyOf(series) ?? desk.studies.value[0];
  useViewerKeys(desk);
  useEffect(() => {
    document.title = `${personName(first(study.dataset, "PatientName"))} · ${t("app")}`;
  }, [study]);
  return html`<div class="viewer">
    <${Banner} dataset=${study.dataset} onBack=${onBack} onRenew=${desk.changed.value ? onRenew : undefined} />
    <${Tools} desk=${desk} />
    <${Strip} desk=${desk} />
    <main class=${`panes g${desk.layout.value}`}>
      ${desk.shown.map(
        (each, index) => html`<${PaneView}
          key=${each.id}
          pane=${each}
          active=${index === desk.active.value}
          tool=${desk.tool}
          desk=${desk}
          onActivate=${() => (desk.active.value = index)}
          onScroll=${(step) => desk.scroll(each, step)}
        />`,
      )}
    </main>
  </div>`;
}

const actionsOf = (desk, onBack) => [
  { label: t("viewer.back"), icon: "arrow-left", keys: "Escape", run: onBack },
  { label: t("nav.help"), icon: "question-circle", keys: "?", run: () => (desk.opened.value = "help") },
  ...(desk.studies.value?.length ? deskActions(desk) : []),
];

const deskActions = (desk) => [
  ...TOOLS.map(([id, icon, keys]) => ({ label: t(`tool.${id}`), icon, keys, run: () => (desk.tool.value = id) })),
  { label: t("viewer.tags"), icon: "tags", keys: "t", run: () => (desk.opened.value = "tags") },
  ...desk.series.map((series) => ({ label: series.description || series.modality, icon: "images", run: () => desk.choose(series) })),
];

/** Whose images the active pane shows; always visible. `onRenew`: given if the study has changed. */
function Banner({ dataset, onBack, onRenew }) {
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
    <h1 dir="auto">${personName(first(dataset, "PatientName"))}</h1>
    ${facts.map(([label, value]) => html`<span key=${label}>${label} <b>${value}</b></span>`)}
    <span class="study">${text(dataset, "StudyDescription")} <b>${when}</b></span>
    <p class="changed" role="status">
      ${onRenew && html`${t("viewer.changed")} <${Button} kind="quiet" icon="arrow-clockwise" label=${t("viewer.renew")} onClick=${onRenew} />`}
    </p>
    <${Interrupted} />
  </header>`;
}

/** Moves on within a document that is taller than its pane; false if it has none or is at its end. */
function readOn(pane, travel) {
  const shown = document.querySelector(`[data-pane="${pane.id}"] .document`);
  const before = shown?.scrollTop;
  if (shown) shown.scrollTop = Math.max(0, Math.min(shown.scrollHeight, before + travel));
  return shown?.scrollTop !== before;
}

function useViewerKeys(desk) {
  const { pane } = desk;
  const scroll = (step, travel = step * LINE) => () => readOn(pane, travel) || desk.scroll(pane, step);
  const focusPane = (index) => {
    desk.active.value = index;
    document.querySelector(`[data-pane="${desk.panes[index].id}"]`)?.focus();
  };
  useKeys([
    { key: "ArrowDown", also: ["j"], back: ["ArrowUp", "k"], label: t("key.scroll"), run: scroll(1) },
    { key: "ArrowUp", also: ["k"], run: scroll(-1) },
    { key: "PageDown", run: scroll(10) },
    { key: "PageUp", run: scroll(-10) },
    { key: "Home", also: ["End"], label: t("key.firstlast"), run: ({ key }) => (key === "Home" ? scroll(-pane.count, -Infinity)() : scroll(pane.count, Infinity)()) },
    { key: "ArrowRight", also: ["ArrowLeft"], label: t("key.series"), run: (event) => desk.step(event.key === "ArrowRight" ? 1 : -1) },
    { key: "n", label: t("key.pane"), run: () => focusPane((desk.active.value + 1) % desk.shown.length) },
    { key: "1", also: ["2", "3", "4", "5"], label: t("key.preset"), run: (event) => applyPreset(pane, Number(event.key) - 1) },
    ...TOOLS.map(([id, , key]) => ({ key, label: t(`tool.${id}`), run: () => (desk.tool.value = id) })),
    { key: "+", also: ["-"], label: t("key.zoom"), run: (event) => pane.zoomBy(event.key === "+" ? 1.25 : 0.8) },
    { key: "i", label: t("viewer.invert"), run: () => toggleInvert(pane) },
    { key: "r", label: t("viewer.reset"), run: () => pane.reset() },
    { key: "c", label: t("viewer.cine"), run: () => pane.play() },
    { key: "y", label: t("viewer.link"), run: () => (desk.linked.value = !desk.linked.value) },
    { key: "g", label: t("key.layout"), run: () => nextLayout(desk) },
    { key: "Delete", label: t("viewer.clear"), run: () => clearMeasures(pane) },
    { key: "t", label: t("viewer.tags"), run: () => (desk.opened.value = "tags") },
  ]);
  const ready = useRef(false);
  useEffect(() => {
    if (ready.current) return;
    ready.current = true;
    focusPane(0);
  });
}
