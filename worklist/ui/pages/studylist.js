/** The studies that match what was typed and chosen. */
import { search } from "../core/api.js";
import { Paged } from "../core/paged.js";
import { text } from "../dicom/dataset.js";

const FIELDS = ["StudyDescription", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "ModalitiesInStudy"];
const DAYS = { today: 0, week: 6, month: 29, year: 364 };

const dicomDate = (date) =>
  `${date.getFullYear()}${String(date.getMonth() + 1).padStart(2, "0")}${String(date.getDate()).padStart(2, "0")}`;

/** What the filters in the address ask for, in the terms of a DICOMweb search. */
export function parametersOf(query) {
  const asked = {};
  if (query.get("modality")) asked.ModalitiesInStudy = query.get("modality");
  if (query.get("description")) asked.StudyDescription = `*${query.get("description")}*`;
  if (query.get("accession")) asked.AccessionNumber = `${query.get("accession")}*`;
  const days = DAYS[query.get("date")];
  if (days !== undefined) asked.StudyDate = `${dicomDate(new Date(Date.now() - days * 86_400_000))}-`;
  return asked;
}

/** The ways to read what was typed into the search, likeliest first: the first that finds anything counts. */
export function readingsOf(words) {
  const typed = words.trim().replaceAll("\\", "");
  if (!typed) return [{}];
  const name = { PatientName: `*${typed.replace(/[,\s]+/g, "*")}*` };
  const fuzzy = { PatientName: typed, fuzzymatching: "true" };
  const others = [{ PatientID: `*${typed}*` }, { AccessionNumber: `*${typed}*` }, { StudyDescription: `*${typed}*` }];
  return /\d/.test(typed) ? [...others, name] : [name, fuzzy, ...others];
}

export class StudyList extends Paged {
  constructor(query) {
    super();
    this.query = query;
    this.ready = this.#begin();
  }

  indexOf = (uid) => this.find((row) => text(row, "StudyInstanceUID") === uid);

  async #begin() {
    try {
      for (const reading of readingsOf(this.query.get("q") ?? "")) {
        this.parameters = { ...parametersOf(this.query), ...reading };
        if (await this.fetch(0)) break;
      }
    } catch (problem) {
      this.fail(problem);
    }
  }

  load = (page, options) =>
    search("studies", { ...this.parameters, ...page, includefield: FIELDS.join(",") }, options);
}
