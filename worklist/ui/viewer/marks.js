/** The text over an image: whose it is, which, how it is displayed, and where it lies in the body. */
import { html } from "../core/html.js";
import { clock, day } from "../core/format.js";
import { number as shown, t } from "../core/strings.js";
import { text } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";
import { explain } from "../kit/states.js";
import { isPassing } from "./frames.js";
import { opposite } from "./geometry.js";
import { Mismatch, patientOf } from "./whose.js";

/** `study`: the one that the pane's series belongs to. */
export function Marks({ pane, study }) {
  const series = pane.series.value;
  const index = pane.index.value;
  pane.loaded.value;
  pane.invert.value;
  pane.window.value;
  const { image } = pane;
  const problem = pane.frames.problem(image);
  const count = series.images.length;
  const place = series.partial ? `… / ${series.count}` : `${index + 1} / ${count}`;
  const mirrored = pane.hung.value?.mirrored;
  const { width, center } = pane.shownWindow ?? {};
  const window = pane.shownTable ?? (width === undefined ? "" : t("viewer.window", { width: rounded(width), center: rounded(center) }));
  const depth = image.depth === undefined ? "" : `${rounded(image.depth)} mm`;
  const frames = new Set(series.images.map((each) => each.dataset)).size === 1 ? "" : text(image.dataset, "InstanceNumber");
  return html`
    <${Corner} at="tl" lines=${[...patientOf(image.dataset), series.description || series.modality, `${series.modality} ${series.number || ""}`]} />
    <${Corner} at="tr" lines=${[text(study?.dataset, "StudyDescription"), [day(text(image.dataset, "StudyDate")), clock(text(image.dataset, "StudyTime"))].join(" "), sideOf(image)]} />
    <${Corner} at="bl" lines=${[window, t("viewer.zoom", { percent: Math.round(pane.zoom.value * 100) }), scaleNote(image), mirrored && t("viewer.mirrored")]} />
    <${Corner} at="br" lines=${[frames && `# ${frames}`, depth, place]} data-position />
    <${Orientation} image=${image} mirrored=${mirrored} />
    <${Mismatch} dataset=${image.dataset} study=${study} />
    ${count > 1 && html`<${Progress} pane=${pane} count=${count} index=${index} />`}
    ${problem &&
    html`<div class="message" role="alert">
      <p>${t("viewer.cannot")}</p>
      <p>${whyNot(problem)}</p>
      ${problem.correlationId && html`<small>${t("problem.id", { id: problem.correlationId })}</small>`}
      ${isPassing(problem) && html`<${Button} kind="quiet" icon="arrow-clockwise" label=${t("retry")} onClick=${() => pane.retry()} />`}
    </div>`}
  `;
}

function whyNot(problem) {
  if (problem.status === 406) return t("viewer.undecodable");
  return problem.code === "INTEGRITY" ? t("viewer.damaged") : explain(problem);
}

/** Which side of the body, and the view: never taken from a description alone. */
const sideOf = (image) => {
  const said = [image.laterality, text(image.dataset, "ViewPosition")].filter(Boolean).join(" ");
  return said && html`<b class="laterality">${said}</b>`;
};

/** Where millimetres can be measured, if not everywhere. */
function scaleNote({ spacing, regions }) {
  if (spacing) return spacing.atDetector ? t("viewer.projected") : "";
  return t(regions.some((each) => each.spacing) ? "viewer.scaledInside" : "viewer.unscaled");
}

const Corner = ({ at, lines, ...rest }) => html`<div class=${`corner ${at}`} ...${rest}>${lines.filter(Boolean).map((line, index) => html`<div key=${index}>${line}</div>`)}</div>`;

const rounded = (value) => (Math.abs(value) < 10 ? shown(value, { maximumSignificantDigits: 3 }) : shown(Math.round(value)));

function Orientation({ image, mirrored }) {
  const [stored, bottom] = image.directions;
  const right = mirrored ? opposite(stored) : stored;
  if (!right && !bottom) return null;
  return html`<span class="side left">${opposite(right)}</span><span class="side right">${right}</span>
    <span class="side top">${opposite(bottom)}</span><span class="side bottom">${bottom}</span>`;
}

/** How much of the stack has loaded, and the current position in it. */
function Progress({ pane, count, index }) {
  pane.loaded.value;
  const here = pane.images.reduce((sum, image) => sum + (pane.frames.has(image) ? 1 : 0), 0);
  return html`<div class="thumbbar" aria-hidden="true">
    <i style=${{ blockSize: `${(here / count) * 100}%` }}></i>
    <b style=${{ insetBlockStart: `${(index / Math.max(1, count - 1)) * 100}%` }}></b>
  </div>`;
}
