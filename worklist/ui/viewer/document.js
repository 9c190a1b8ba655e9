/** Objects without pixels of their own: reports as a tree of text, documents and videos as the browser shows them. */
import { html, useEffect, useRef, useState } from "../core/html.js";
import { request } from "../core/api.js";
import { clock, day, moment, personName } from "../core/format.js";
import { t } from "../core/strings.js";
import { bytes, first, text, values } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";
import { Failure, Skeleton } from "../kit/states.js";
import { useContent } from "./content.js";
import { instancePath, kindOf } from "./image.js";
import { PresentationState } from "./presentation.js";
import { Reference, References, referencesOf } from "./references.js";
import { Waveform } from "./waveform.js";
import { Mismatch, patientOf } from "./whose.js";

const DEEPEST = 32;
const SAFE = /^(application\/pdf|video\/(mp4|mpeg|webm))\b/;
const FILES = { "application/pdf": "document.pdf", "video/mp4": "film.mp4", "video/mpeg": "film.mpg", "video/webm": "film.webm" };

/** One object of a series without images; the scroll keys go to the next. */
export function DocumentView({ pane, desk, study }) {
  const { datasets } = pane.series.value;
  const dataset = datasets[pane.index.value] ?? datasets[0];
  const kind = kindOf(dataset);
  const key = text(dataset, "SOPInstanceUID");
  const shown = useRef(null);
  useEffect(() => void (shown.current.scrollTop = 0), [key]);
  return html`<div class="document" ref=${shown}>
    <${Mismatch} dataset=${dataset} study=${study} />
    <p class="dim">${patientOf(dataset).map((line, index) => html`<span key=${index}>${line}</span> `)}</p>
    ${pane.count > 1 && html`<${Turn} pane=${pane} />`}
    <${SHOWN[kind] ?? Embedded} key=${key} dataset=${dataset} kind=${kind} desk=${desk} />
  </div>`;
}

const Turn = ({ pane }) => html`<p class="turn">
  <${Button} bare icon="chevron-left" label=${t("viewer.previous")} keys="ArrowUp" disabled=${pane.index.value === 0} onClick=${() => pane.by(-1)} />
  <span data-position>${`${pane.index.value + 1} / ${pane.count}`}</span>
  <${Button} bare icon="chevron-right" label=${t("viewer.next")} keys="ArrowDown" disabled=${pane.index.value === pane.count - 1} onClick=${() => pane.by(1)} />
</p>`;

const typeOf = (said) => SAFE.exec(said ?? "")?.[1] ?? "application/octet-stream";

/** We set the blob's type: whatever was stored, it never becomes a page of this origin. */
async function documentOf(dataset) {
  const said = text(dataset, "MIMETypeOfEncapsulatedDocument");
  const type = typeOf(said);
  return { said, type, blob: new Blob([(await bytes(dataset, "EncapsulatedDocument", { type: said || undefined })) ?? ""], { type }) };
}

/** Plays while it loads and can be searched: it may be too large for a page to hold. */
async function filmOf(dataset, signal) {
  const url = `${instancePath(dataset)}/rendered`;
  const { headers } = await request(url, { method: "HEAD", signal, headers: { Accept: "video/mp4, video/*, */*;q=0.1" } });
  const said = headers.get("Content-Type");
  return { said, type: typeOf(said), url };
}

function Embedded({ dataset, kind }) {
  const { url, type, said, problem } = useContent((signal) => (kind === "document" ? documentOf(dataset) : filmOf(dataset, signal)));
  const [unplayable, setUnplayable] = useState(false);
  const title = text(dataset, "DocumentTitle") || text(dataset, "SeriesDescription") || t("viewer.document");
  if (problem) return html`<${Failure} problem=${problem} />`;
  if (!url) return html`<${Skeleton} />`;
  const film = kind === "video" || type.startsWith("video/");
  const shown = type === "application/pdf" || (type.startsWith("video/") && !unplayable);
  return html`
    <h1>${title}</h1>
    ${shown && film && html`<video src=${url} controls onError=${() => setUnplayable(true)}></video>`}
    ${shown && !film && html`<iframe src=${url} title=${title}></iframe>`}
    ${!shown && html`<p class="dim">${t(film ? "viewer.notPlayed" : "viewer.notShown", { type: said || type })}</p>`}
    <p><a href=${url} download=${FILES[type] ?? "document"}>${t(film ? "viewer.downloadFilm" : "viewer.openDocument")}</a></p>
  `;
}

const meaning = (dataset, sequence) => text(first(dataset, sequence), "CodeMeaning");

/** PS3.3 §C.17.3: what an item says, by its value type. */
function Said({ item, known, desk }) {
  switch (text(item, "ValueType")) {
    case "TEXT":
      return text(item, "TextValue");
    case "CODE":
      return meaning(item, "ConceptCodeSequence");
    case "NUM": {
      const measured = first(item, "MeasuredValueSequence");
      return [text(measured, "NumericValue"), meaning(measured, "MeasurementUnitsCodeSequence")].filter(Boolean).join(" ");
    }
    case "PNAME":
      return personName(first(item, "PersonNameValue"));
    case "DATE":
      return day(text(item, "DateValue"));
    case "TIME":
      return clock(text(item, "TimeValue"));
    case "DATETIME":
      return moment(text(item, "DateTimeValue"));
    case "UIDREF":
      return text(item, "UIDValue");
    case "IMAGE":
    case "COMPOSITE":
    case "WAVEFORM":
      return html`<${Reference} item=${item} known=${known} desk=${desk} />`;
    default:
      return "";
  }
}

function Report({ dataset, desk }) {
  const known = new Map(referencesOf(dataset).map((each) => [each.sop, each]));
  return html`<h1>${meaning(dataset, "ConceptNameCodeSequence") || t("viewer.report")}</h1>
    <${Items} items=${values(dataset, "ContentSequence")} depth=${0} known=${known} desk=${desk} />`;
}

function Items({ items, depth, ...rest }) {
  if (!items.length || depth > DEEPEST) return null;
  return html`<ul>
    ${items.filter(Boolean).map(
      (item, index) => html`<li key=${index}>
        ${meaning(item, "ConceptNameCodeSequence") && html`<span class="name">${meaning(item, "ConceptNameCodeSequence")}</span>`}<${Said} item=${item} ...${rest} />
        <${Items} items=${values(item, "ContentSequence")} depth=${depth + 1} ...${rest} />
      </li>`,
    )}
  </ul>`;
}

/** If it is of images, as structures are that were drawn on them, it leads there. */
const Nothing = ({ dataset, desk }) => html`<div class="message">
  <p>${t("viewer.noPixels")}</p><small>${text(dataset, "Modality")}</small>
  <${References} found=${referencesOf(dataset)} desk=${desk} />
</div>`;

const SHOWN = { report: Report, presentation: PresentationState, waveform: Waveform, other: Nothing };
