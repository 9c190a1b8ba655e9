/** What only the REST API tells of studies: that others have their patient's ID, or are in their images. */
import { effect, html } from "../core/html.js";
import { API, json } from "../core/api.js";
import { session } from "../core/session.js";
import { t } from "../core/strings.js";
import { number, text } from "../dicom/dataset.js";
import { Icon } from "../kit/icon.js";

const SHOWN = ["shared_patient_id", "patient_conflict"];
const MOST = 10_000;
const told = new Map();
effect(() => session.value && told.clear()); // another user may have another study with this UID

const uidOf = (study) => text(study, "StudyInstanceUID");
/** More images may bring more to tell. */
const keyOf = (study) => `${uidOf(study)}/${number(study, "NumberOfStudyRelatedInstances", 0)}`;

/** Asks about studies that are not known, in one request. Returns whether there is anything to show. */
export async function askFlags(studies, options) {
  const unknown = new Map(studies.filter((study) => !told.has(keyOf(study))).map((study) => [uidOf(study), keyOf(study)]));
  if (!unknown.size) return false;
  if (told.size > MOST) told.clear();
  const asked = new URLSearchParams({ study_instance_uid: [...unknown.keys()].join(","), limit: unknown.size });
  const { items } = await json(`${API}/studies?${asked}`, options);
  for (const { study_instance_uid: uid, flags } of items) told.set(unknown.get(uid), flags);
  return items.some(({ flags }) => flags.length);
}

const wordsOf = (study) => (told.get(keyOf(study)) ?? []).filter((flag) => SHOWN.includes(flag)).map((flag) => t(`flag.${flag}`));

/** A mark beside the name in a list. */
export function FlagMark({ study }) {
  const title = wordsOf(study).join(" ");
  return title && html`<span class="badge flagged" role="img" title=${title} aria-label=${title}><${Icon} name="exclamation-triangle" /></span>`;
}

/** The same in words. */
export const FlagNote = ({ study }) =>
  wordsOf(study).map((words) => html`<p key=${words} class="flagnote"><${Icon} name="exclamation-triangle" /><span>${words}</span></p>`);
