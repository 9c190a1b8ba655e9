/** One study at a glance: who, what, its series. */
import { html, useEffect, useState } from "../core/html.js";
import { search } from "../core/api.js";
import { age, clock, day, nameGroups, personName, sex } from "../core/format.js";
import { OHIF, href } from "../core/router.js";
import { t } from "../core/strings.js";
import { first, number, text } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";
import { copy } from "../kit/copy.js";
import { Failure, Skeleton } from "../kit/states.js";
import { FlagNote } from "./flags.js";
import { Thumbnail, WITHOUT_PICTURE } from "./thumbnail.js";

export const SERIES_FIELDS = "SeriesDescription,NumberOfSeriesRelatedInstances,Modality,SeriesNumber,BodyPartExamined";

/** `onDelete`: undefined for users who may not. */
export function Details({ study, onOpen, onDelete, onClose }) {
  const uid = text(study, "StudyInstanceUID");
  const target = { StudyInstanceUIDs: uid };
  const name = first(study, "PatientName");
  const facts = [
    [t("col.id"), text(study, "PatientID")],
    [t("col.birth"), day(text(study, "PatientBirthDate"))],
    [t("field.sex"), sex(text(study, "PatientSex"))],
    [t("field.age"), age(text(study, "PatientBirthDate"), text(study, "StudyDate"))],
    [t("col.date"), [day(text(study, "StudyDate")), clock(text(study, "StudyTime"))].filter(Boolean).join(", ")],
    [t("col.accession"), text(study, "AccessionNumber")],
    [t("field.referrer"), nameGroups(first(study, "ReferringPhysicianName")).join(" · ")],
  ].filter(([, value]) => value);
  return html`<section class="details" aria-label=${t("studies.details")}>
    <header>
      <div><h2 dir="auto">${personName(name)}</h2><small>${text(study, "StudyDescription")}</small></div>
      <${Button} bare icon="x-lg" label=${t("close")} keys="Escape" onClick=${onClose} />
    </header>
    <${FlagNote} study=${study} />
    <div class="actions">
      <${Button} kind="main" icon="images" label=${t("studies.open")} keys="Enter" onClick=${() => onOpen()} />
      ${OHIF && html`<${Button} bare kind="quiet" icon="layout-sidebar" label=${t("studies.builtin")} keys="v" onClick=${() => onOpen({ builtIn: true })} />`}
      <${Button} bare kind="quiet" icon="link-45deg" label=${t("studies.link")} onClick=${() => copy(location.origin + href("/viewer", target))} />
      ${onDelete && html`<${Button} bare kind="quiet" icon="trash" label=${t("studies.delete")} keys="Delete" onClick=${onDelete} />`}
    </div>
    <dl class="facts">
      ${facts.map(([label, value]) => html`<dt key=${label}>${label}</dt><dd>${value}</dd>`)}
      <dt>${t("field.uid")}</dt><dd class="uid">${uid}</dd>
    </dl>
    <h2>${t("studies.seriesOf")}</h2>
    <${SeriesList} uid=${uid} />
  </section>`;
}

function SeriesList({ uid }) {
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setProblem(null);
    search(`studies/${uid}/series`, { includefield: SERIES_FIELDS }, { signal: abort.signal }).then(
      ({ items }) => setFound(items),
      (error) => error.aborted || setProblem(error),
    );
    return () => abort.abort();
  }, [uid, tries]);
  if (problem) return html`<${Failure} problem=${problem} onRetry=${() => setTries(tries + 1)} />`;
  if (!found) return html`<${Skeleton} rows=${3} />`;
  return html`<div class="serieslist">
    ${found.map((series) => {
      const seriesUid = text(series, "SeriesInstanceUID");
      const count = number(series, "NumberOfSeriesRelatedInstances", 0);
      return html`<a
        key=${seriesUid}
        class="seriesrow"
        data-page
        href=${href("/view", { StudyInstanceUIDs: uid, SeriesInstanceUID: seriesUid })}
      >
        <${Thumbnail} study=${uid} series=${seriesUid} modality=${text(series, "Modality")} />
        <p>${text(series, "SeriesDescription") || text(series, "Modality")}</p>
        <small>${t(WITHOUT_PICTURE.has(text(series, "Modality")) ? "count.objects" : "count.images", { count })}</small>
      </a>`;
    })}
  </div>`;
}
