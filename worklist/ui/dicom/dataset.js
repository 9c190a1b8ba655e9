/** Reading data sets in the DICOM JSON Model (PS3.18 Annex F). Their text is shown as text, never as markup. */
import { received, request } from "../core/api.js";
import { TAG } from "./tags.js";

export const values = (dataset, keyword) => dataset?.[TAG[keyword]]?.Value ?? [];
export const first = (dataset, keyword) => values(dataset, keyword)[0];
export const text = (dataset, keyword) => String(first(dataset, keyword) ?? "");
export const has = (dataset, keyword) => Boolean(dataset?.[TAG[keyword]]);

/** The values as numbers, also from strings; undefined if there are none or some are not numbers. */
export function numbers(dataset, keyword) {
  const found = values(dataset, keyword).map(Number);
  return found.length && found.every(Number.isFinite) ? found : undefined;
}

export const number = (dataset, keyword, otherwise) => numbers(dataset, keyword)?.[0] ?? otherwise;

/** The bytes of a value, wherever they are; undefined if it has none. `type`: their media type, if known; `most`: how many to read. */
export const bytes = (dataset, keyword, options) => bytesOf(dataset?.[TAG[keyword]], options);

export async function bytesOf(attribute, { type = "application/octet-stream", most = Infinity } = {}) {
  if (attribute?.InlineBinary) return Uint8Array.from(atob(attribute.InlineBinary), (each) => each.charCodeAt(0)).slice(0, most);
  if (!attribute?.BulkDataURI) return undefined;
  const headers = { Accept: `${type}, application/octet-stream;q=0.5` };
  const response = await request(sameOrigin(attribute.BulkDataURI), { headers });
  return most === Infinity ? new Uint8Array(await received(response, "arrayBuffer")) : beginning(response.body.getReader(), most);
}

/** Leaves the rest of a stream unread. */
async function beginning(reader, most) {
  const parts = [];
  let length = 0;
  while (length < most) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
  }
  await reader.cancel();
  return new Uint8Array(await new Blob(parts).slice(0, most).arrayBuffer());
}

/** Always asks this server, whatever address it gives for itself. */
function sameOrigin(uri) {
  const url = new URL(uri, location.href);
  return url.pathname + url.search;
}
