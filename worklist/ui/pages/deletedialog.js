/** Asks only for the reason, because a deleted study can be restored. */
import { html, useState } from "../core/html.js";
import { day, personName } from "../core/format.js";
import { t } from "../core/strings.js";
import { first, number, text } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";
import { Dialog } from "../kit/dialog.js";
import { Field } from "../kit/field.js";
import { Failure } from "../kit/states.js";
import { deleteStudy } from "./deleting.js";

const SHORTEST = 3;
const LONGEST = 500;

export function DeleteDialog({ study, onDeleted, onClose }) {
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const name = personName(first(study, "PatientName"));
  const ready = reason.trim().length >= SHORTEST && !busy;
  const submit = async (event) => {
    event?.preventDefault();
    if (!ready) return;
    setBusy(true);
    setProblem(null);
    try {
      await deleteStudy(text(study, "StudyInstanceUID"), name, reason.trim());
      onDeleted();
    } catch (error) {
      setBusy(false);
      if (!error.aborted) setProblem(error);
    }
  };
  const said = [
    text(study, "PatientID"),
    day(text(study, "StudyDate")),
    text(study, "StudyDescription"),
    t("count.images", { count: number(study, "NumberOfStudyRelatedInstances", 0) }),
  ];
  const footer = html`
    <${Button} kind="quiet" label=${t("cancel")} keys="Escape" onClick=${onClose} />
    <${Button} kind="danger" icon="trash" label=${t("studies.delete")} keys="Enter" disabled=${!ready} onClick=${submit} />
  `;
  return html`<${Dialog} title=${t("studies.delete")} footer=${footer} onClose=${onClose}>
    <form class="ask" onSubmit=${submit}>
      <div><h3>${name}</h3><p class="dim">${said.filter(Boolean).join(" · ")}</p></div>
      <${Field} label=${t("deletions.reason")} value=${reason} onInput=${setReason} maxlength=${LONGEST} required autofocus />
      <small>${t("deletions.hint")}</small>
      ${problem && html`<${Failure} problem=${problem} />`}
    </form>
  <//>`;
}
