/** A presentation state: its first image as the state shows it, and in words what it asks for, and for which images. */
import { html } from "../core/html.js";
import { received, request } from "../core/api.js";
import { clock, day, nameGroups } from "../core/format.js";
import { number as shown, t } from "../core/strings.js";
import { first, number, numbers, text, values } from "../dicom/dataset.js";
import { Failure, Skeleton } from "../kit/states.js";
import { useContent } from "./content.js";
import { instancePath } from "./image.js";
import { References, referencesOf } from "./references.js";

/** Large enough for the largest panes; the page scales it down. */
const LARGEST = "1024,1024";

export function PresentationState({ dataset, desk }) {
  const when = [day(text(dataset, "PresentationCreationDate")), clock(text(dataset, "PresentationCreationTime"))];
  const facts = [
    [t("presentation.made"), [...when, ...nameGroups(first(dataset, "ContentCreatorName"))].filter(Boolean).join(" · ")],
    [t("tool.window"), windows(dataset)],
    [t("presentation.turned"), turned(dataset)],
    [t("presentation.texts"), texts(dataset).map((line, index) => html`<p key=${index}>${line}</p>`)],
    [t("presentation.drawings"), drawings(dataset)],
  ].filter(([, value]) => value && value.length !== 0);
  return html`
    <h1>${text(dataset, "ContentDescription") || text(dataset, "ContentLabel") || t("presentation")}</h1>
    <p class="dim">${t("presentation.lead")}</p>
    <${Look} dataset=${dataset} />
    <dl class="facts">${facts.map(([label, value]) => html`<dt key=${label}>${label}</dt><dd>${value}</dd>`)}</dl>
    <h2>${t("presentation.of")}</h2>
    <${References} found=${referencesOf(dataset)} desk=${desk} />
  `;
}

/** Rendered by the server, which says why if it cannot. */
function Look({ dataset }) {
  const { url, problem } = useContent(async (signal) => {
    const path = `${instancePath(dataset)}/rendered?viewport=${LARGEST}`;
    return { blob: await received(await request(path, { signal, headers: { Accept: "image/png" } }), "blob") };
  });
  if (problem) return html`<${Failure} problem=${problem} />`;
  return url ? html`<img src=${url} alt=${t("presentation")} />` : html`<${Skeleton} />`;
}

function windows(dataset) {
  const said = values(dataset, "SoftcopyVOILUTSequence").map((item) => {
    const [width, center] = ["WindowWidth", "WindowCenter"].map((each) => numbers(item, each)?.[0]);
    return width === undefined ? "VOI LUT" : t("viewer.window", { width, center });
  });
  return [...new Set(said)].join(" · ");
}

function turned(dataset) {
  const angle = number(dataset, "ImageRotation", 0);
  return [angle && `${angle}°`, text(dataset, "ImageHorizontalFlip") === "Y" && t("presentation.flipped")].filter(Boolean).join(" · ");
}

const annotations = (dataset, sequence) => values(dataset, "GraphicAnnotationSequence").flatMap((item) => values(item, sequence));
const texts = (dataset) => annotations(dataset, "TextObjectSequence").map((item) => text(item, "UnformattedTextValue")).filter(Boolean);
const drawings = (dataset) => {
  const count = annotations(dataset, "GraphicObjectSequence").length;
  return count ? shown(count) : "";
};
