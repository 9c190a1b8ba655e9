/** Whose an object is according to the object itself: a picture is never labelled from its study alone. */
import { html } from "../core/html.js";
import { day, nameGroups, personName } from "../core/format.js";
import { t } from "../core/strings.js";
import { first, text } from "../dicom/dataset.js";
import { Icon } from "../kit/icon.js";

/** Lines: the name, then ID and date of birth. */
export const patientOf = (dataset) => [
  html`<b class="whose" dir="auto">${personName(first(dataset, "PatientName"))}</b>`,
  [text(dataset, "PatientID"), day(text(dataset, "PatientBirthDate"))].filter(Boolean).join(" · "),
];

const said = (dataset, keyword) => text(dataset, keyword).trim();
const wordsOf = (dataset) =>
  new Set(nameGroups(first(dataset, "PatientName"))[0]?.normalize("NFD").replace(/\p{M}/gu, "").toUpperCase().match(/[\p{L}\p{N}]+/gu));

/** Whether a name has words that the other lacks and the other way round; unknown names tell nothing. */
function areOtherNames(one, other) {
  const [a, b] = [wordsOf(one), wordsOf(other)];
  return a.size > 0 && b.size > 0 && !a.isSubsetOf(b) && !b.isSubsetOf(a);
}

/** Whether two data sets are of different people; compares names unless ID and birth date agree. */
export function areOfOthers(one, other) {
  const pairs = ["PatientID", "PatientBirthDate"].map((keyword) => [said(one, keyword), said(other, keyword)]);
  const differ = ([a, b]) => Boolean(a && b) && a !== b;
  return pairs.some(differ) || (!pairs.flat().every(Boolean) && areOtherNames(one, other));
}

/** Senders have put one patient's images into another's study: the banner above would be wrong. */
export function Mismatch({ dataset, study }) {
  if (!study || !areOfOthers(dataset, study.dataset)) return null;
  const words = { name: personName(first(dataset, "PatientName")), id: text(dataset, "PatientID") };
  return html`<p class="mismatch" role="status"><${Icon} name="exclamation-triangle" />${t("viewer.otherPatient", words)}</p>`;
}
