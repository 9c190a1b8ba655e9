/** Whose an object is according to the object itself: a picture is never labelled from its study alone. */
import { html } from "../core/html.js";
import { day, personName } from "../core/format.js";
import { t } from "../core/strings.js";
import { first, text } from "../dicom/dataset.js";
import { Icon } from "../kit/icon.js";

/** Lines: the name, then ID and date of birth. */
export const patientOf = (dataset) => [
  html`<b class="whose" dir="auto">${personName(first(dataset, "PatientName"))}</b>`,
  [text(dataset, "PatientID"), day(text(dataset, "PatientBirthDate"))].filter(Boolean).join(" · "),
];

const said = (dataset, keyword) => text(dataset, keyword).trim();
/** As it is compared. */
export const nameOf = (dataset) => personName(first(dataset, "PatientName")).toUpperCase();

/** Whether two data sets are of different people; compares names unless both have an ID. */
export function areOfOthers(one, other) {
  const [ids, births] = ["PatientID", "PatientBirthDate"].map((keyword) => [said(one, keyword), said(other, keyword)]);
  const differ = ([a, b]) => Boolean(a && b) && a !== b;
  return differ(ids) || differ(births) || (!ids.every(Boolean) && nameOf(one) !== nameOf(other));
}

/** Senders have put one patient's images into another's study: the banner above would be wrong. */
export function Mismatch({ dataset, study }) {
  if (!study || !areOfOthers(dataset, study.dataset)) return null;
  const words = { name: personName(first(dataset, "PatientName")), id: text(dataset, "PatientID") };
  return html`<p class="mismatch" role="status"><${Icon} name="exclamation-triangle" />${t("viewer.otherPatient", words)}</p>`;
}
