/** The studies that match, fetched a page at a time as they come into sight. */
import { signal } from "../core/html.js";
import { search } from "../core/api.js";
import { text } from "../dicom/dataset.js";

const PAGE = 100;
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

export class StudyList {
  total = signal(null);
  more = signal(false);
  version = signal(0);
  problem = signal(null);
  #rows = [];
  #asked = new Set();
  #abort = new AbortController();

  constructor(query) {
    this.query = query;
    this.ready = this.#begin();
  }

  row = (index) => this.#rows[index];

  indexOf = (uid) => this.#rows.findIndex((row) => row && text(row, "StudyInstanceUID") === uid);

  async #begin() {
    try {
      for (const reading of readingsOf(this.query.get("q") ?? "")) {
        this.parameters = { ...parametersOf(this.query), ...reading };
        if (await this.#fetch(0)) break;
      }
    } catch (problem) {
      if (!problem.aborted) this.problem.value = problem;
    }
  }

  /** Rows that come into sight. */
  need = (first, last) => {
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) {
      if (this.#asked.has(page) || this.total.value === null || page * PAGE >= this.total.value) continue;
      this.#fetch(page).catch((problem) => {
        this.#asked.delete(page);
        if (!problem.aborted) this.problem.value = problem;
      });
    }
  };

  async #fetch(page) {
    this.#asked.add(page);
    const parameters = { ...this.parameters, limit: PAGE, offset: page * PAGE, includefield: FIELDS.join(",") };
    const { items, total } = await search("studies", parameters, { signal: this.#abort.signal });
    items.forEach((item, index) => (this.#rows[page * PAGE + index] = item));
    const seen = page * PAGE + items.length;
    this.more.value = total === null && items.length === PAGE;
    this.total.value = total ?? Math.max(this.total.value ?? 0, seen + (this.more.value ? PAGE : 0));
    this.version.value += 1;
    return items.length;
  }

  stop() {
    this.#abort.abort();
  }
}
