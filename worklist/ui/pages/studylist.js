/** The studies that match the search and the filters. */
import { search } from "../core/api.js";
import { Paged } from "../core/paged.js";
import { text } from "../dicom/dataset.js";
import { askFlags } from "./flags.js";

export const FIELDS = ["StudyDescription", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "ModalitiesInStudy"];
const DAYS = { today: 0, week: 6, month: 29, year: 364 };

const dicomDate = (date) =>
  `${date.getFullYear()}${String(date.getMonth() + 1).padStart(2, "0")}${String(date.getDate()).padStart(2, "0")}`;

/** The columns that the list can be sorted by; newest first unless the address says otherwise. */
const ORDERS = {
  patient: ["PatientName"],
  id: ["PatientID"],
  date: ["StudyDate", "StudyTime"],
  description: ["StudyDescription"],
  accession: ["AccessionNumber"],
};

/** {id, descending} of the column that the list is sorted by. */
export function orderOf(query) {
  const asked = query.get("sort") ?? "";
  const id = asked.replace(/^-/, "");
  return id in ORDERS ? { id, descending: asked !== id } : { id: "date", descending: true };
}

/** The address after a click on a column's heading: ascending, descending, then newest first again. */
export function nextOrder(query, id) {
  const now = orderOf(query);
  if (now.id !== id) return id;
  if (id === "date") return now.descending ? id : "";
  return now.descending ? "" : `-${id}`;
}

/** The filters in the address as parameters of a DICOMweb search. */
export function parametersOf(query) {
  const asked = {};
  const { id, descending } = orderOf(query);
  if (id !== "date" || !descending) asked.orderby = ORDERS[id].map((each) => (descending ? `-${each}` : each)).join(",");
  if (query.get("modality")) asked.ModalitiesInStudy = query.get("modality");
  if (query.get("description")) asked.StudyDescription = `*${query.get("description")}*`;
  if (query.get("accession")) asked.AccessionNumber = `${query.get("accession")}*`;
  const days = DAYS[query.get("date")];
  if (days !== undefined) asked.StudyDate = `${dicomDate(new Date(Date.now() - days * 86_400_000))}-`;
  if (query.get("date") === "between") {
    const [from, to] = ["from", "to"].map((end) => /^\d{4}-\d\d-\d\d$/.exec(query.get(end))?.[0].replaceAll("-", "") ?? "");
    if (from || to) asked.StudyDate = `${from}-${to}`;
  }
  return asked;
}

/** The ways to understand the search text, likeliest first; the first that finds anything counts. */
export function readingsOf(words) {
  const typed = words.trim().replaceAll("\\", "");
  if (!typed) return [{}];
  const name = { PatientName: `*${typed.replace(/[,\s]+/g, "*")}*` };
  const fuzzy = { PatientName: typed, fuzzymatching: "true" };
  const others = [{ PatientID: `*${typed}*` }, { AccessionNumber: `*${typed}*` }, { StudyDescription: `*${typed}*` }];
  return /\d/.test(typed) ? [...others, name] : [name, ...others, fuzzy];
}

export class StudyList extends Paged {
  /** `pages`: fetched, in addition to the first, before the list is ready. */
  constructor(query, pages = []) {
    super();
    this.query = query;
    this.ready = this.#begin(pages);
  }

  /** Whether nothing contains the search text, so that these are names that sound like it. */
  get isAlike() {
    return Boolean(this.parameters?.fuzzymatching && this.total.value);
  }

  indexOf = (uid) => this.find((row) => text(row, "StudyInstanceUID") === uid);

  async #begin(pages) {
    try {
      for (const reading of readingsOf(this.query.get("q") ?? "")) {
        this.parameters = { ...parametersOf(this.query), ...reading };
        if (await this.fetch(0)) break;
      }
      await Promise.all(pages.filter((page) => page && this.has(page)).map((page) => this.fetch(page)));
    } catch (problem) {
      this.fail(problem);
    }
  }

  load = async (page, options) => {
    const found = await search("studies", { ...this.parameters, ...page, includefield: FIELDS.join(",") }, options);
    this.#flag(found.items, options);
    return found;
  };

  /** The rows are shown without waiting for this, and also if it fails. */
  #flag(items, options) {
    askFlags(items, options).then(
      (any) => any && (this.version.value += 1),
      () => {},
    );
  }
}
