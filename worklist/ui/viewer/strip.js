/** The series to choose from: first those of the open studies, then those of the priors. */
import { html } from "../core/html.js";
import { day, personName } from "../core/format.js";
import { t } from "../core/strings.js";
import { first, text } from "../dicom/dataset.js";
import { Thumbnail } from "../pages/thumbnail.js";
import { areOfOthers } from "./whose.js";

export function Strip({ desk }) {
  const shown = new Set(desk.shown.map((pane) => pane.series.value?.id));
  const several = desk.studies.value.length > 1;
  const strangers = several && desk.studies.value.some(({ dataset }) => areOfOthers(dataset, desk.studies.value[0].dataset));
  return html`<nav class="strip" aria-label=${t("viewer.series")}>
    ${desk.studies.value.map((study) => html`<${Group} key=${study.uid} ...${{ study, shown, desk }} title=${several && heading(study, strangers)} />`)}
    ${desk.priors.value.map((study) => html`<${Group} key=${study.uid} ...${{ study, shown, desk }} title=${[t("viewer.prior"), heading(study)].filter(Boolean).join(" · ")} />`)}
  </nav>`;
}

/** Only the images of a series have a thumbnail, which the server makes. */
const pictureOf = ({ id, uid, modality }) => (id === uid ? { modality } : { modality: "+", none: true });

const heading = ({ dataset }, named = false) =>
  [named && personName(first(dataset, "PatientName")), day(text(dataset, "StudyDate")) || text(dataset, "StudyDescription")].filter(Boolean).join(" · ");

const Group = ({ study, title, shown, desk }) => html`
  ${title && html`<h2>${title}</h2>`}
  ${study.series.map(
    (series) => html`<button
      key=${series.id}
      type="button"
      aria-current=${String(shown.has(series.id))}
      title=${series.description || series.modality}
      onClick=${() => desk.choose(series)}
    >
      <${Thumbnail} study=${series.study} series=${series.uid} wait=${!desk.seen.value} ...${pictureOf(series)} />
      <span class="caption"><span>${series.description || series.modality}</span><span class="n">${series.count}</span></span>
    </button>`,
  )}
`;
