/** Links to what an object refers to: presentation states, reports and key objects name other objects. */
import { html } from "../core/html.js";
import { t } from "../core/strings.js";
import { first, text, values } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";

const EVIDENCE = ["CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"];

const SERIES = ["ReferencedSeriesSequence", "RTReferencedSeriesSequence"];
const OBJECTS = ["ReferencedImageSequence", "ReferencedSOPSequence", "ContourImageSequence"];

const within = (items, keywords) => items.flatMap((item) => keywords.flatMap((each) => values(item, each))).filter(Boolean);

/** [{series, sop}], of a presentation state, a report and structures (PS3.3 §C.11.11, §C.17.2, §C.8.8.5). */
export function referencesOf(dataset) {
  const frames = within([dataset], ["ReferencedFrameOfReferenceSequence"]);
  const studies = [dataset, ...within([dataset], EVIDENCE), ...within(frames, ["RTReferencedStudySequence"])];
  return studies.flatMap((study) =>
    within([study], SERIES).flatMap((item) =>
      within([item], OBJECTS).map((each) => ({
        series: text(item, "SeriesInstanceUID"),
        sop: text(each, "ReferencedSOPInstanceUID"),
      })),
    ),
  );
}

/** By series, with a link to each one that is open here. */
export function References({ found, desk }) {
  const series = Map.groupBy(found, (each) => each.series);
  return html`<ul class="references">
    ${[...series].map(([uid, all]) => {
      const known = desk.series.find(({ id }) => id === uid);
      return html`<li key=${uid}>
        ${known ? html`<${Refer} to=${all[0]} desk=${desk} label=${known.description || known.modality} />` : html`<span class="uid">${t("viewer.elsewhere", { uid })}</span>`}
        <span class="dim">${t("count.images", { count: all.length })}</span>
      </li>`;
    })}
  </ul>`;
}

const Refer = ({ to, desk, label }) => html`<${Button} kind="quiet" icon="images" label=${label} onClick=${() => desk.refer(to)} />`;

/** One item of a report: the image it names, or its UID when it is not here. */
export function Reference({ item, known, desk }) {
  const sop = text(first(item, "ReferencedSOPSequence"), "ReferencedSOPInstanceUID");
  const to = known.get(sop);
  const series = to && desk.series.find(({ id }) => id === to.series);
  if (!series) return html`<span class="uid">${t("viewer.refers", { uid: sop })}</span>`;
  return html`<${Refer} to=${to} desk=${desk} label=${series.description || series.modality} />`;
}
