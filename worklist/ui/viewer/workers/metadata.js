/**
 * Reads the metadata of a whole series, apart from the page: with what vendors add they can be megabytes, of which the
 * page needs a tenth. Told {id, url}; answers {id, datasets} or {id, problem}.
 */
import { TAG } from "../../dicom/tags.js";
import { ask, lost, problemOf } from "./ask.js";

const OF_USE = new Set(Object.values(TAG));
const isOfUse = (tag) => OF_USE.has(tag) || tag.startsWith("60"); // overlays

onmessage = async ({ data: { id, url } }) => {
  try {
    const found = await (await ask(url, "application/dicom+json")).json().catch(lost);
    postMessage({ id, datasets: found.map(trimmed) });
  } catch (error) {
    postMessage({ id, problem: problemOf(error) });
  }
};

const trimmed = (dataset) => Object.fromEntries(Object.entries(dataset).filter(([tag]) => isOfUse(tag)));
