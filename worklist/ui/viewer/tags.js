/** All attributes of the instance that is shown, as text. */
import { html, useEffect, useState } from "../core/html.js";
import { received, request } from "../core/api.js";
import { t } from "../core/strings.js";
import { Dialog } from "../kit/dialog.js";
import { Field } from "../kit/field.js";
import { Failure, Skeleton } from "../kit/states.js";
import { instancePath } from "./image.js";

const MOST = 2000;
const DICTIONARY = new URL("../dicom/names.json", import.meta.url);

/** The dictionary's key of a tag; those of overlays and curves are listed once for all groups. */
const nameOf = (names, tag) => names[tag] ?? names[`${tag.slice(0, 2)}xx${tag.slice(4)}`] ?? "";

function shown(attribute) {
  if (attribute.BulkDataURI) return "…";
  if (attribute.InlineBinary) return `${atob(attribute.InlineBinary).length} bytes`;
  return (attribute.Value ?? []).map((value) => (value && typeof value === "object" ? Object.values(value).join("=") : value)).join("\\");
}

/** By tag: JavaScript puts keys that could be numbers, such as 54000100, before all others. */
const inOrder = (dataset) => Object.entries(dataset).sort(([a], [b]) => (a < b ? -1 : 1));

function* rows(dataset, names, depth = 0) {
  for (const [tag, attribute] of inOrder(dataset)) {
    const sequence = attribute.vr === "SQ";
    yield { depth, tag, vr: attribute.vr, name: nameOf(names, tag), value: sequence ? `${attribute.Value?.length ?? 0} ×` : shown(attribute) };
    if (!sequence) continue;
    for (const item of attribute.Value ?? []) yield* rows(item, names, depth + 1);
  }
}

/** Fetched, because the viewer has only the attributes that it needs itself. */
async function readAll(dataset, signal) {
  const response = await request(`${instancePath(dataset)}/metadata`, { signal, headers: { Accept: "application/dicom+json" } });
  return (await received(response, "json"))[0];
}

export function Tags({ dataset, onClose }) {
  const [{ whole, problem }, setRead] = useState({});
  const [tries, setTries] = useState(0);
  const [names, setNames] = useState({});
  const [wanted, setWanted] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    setRead({});
    readAll(dataset, abort.signal).then(
      (found) => setRead({ whole: found }),
      (fault) => fault.aborted || setRead({ problem: fault }),
    );
    return () => abort.abort();
  }, [dataset, tries]);
  useEffect(() => {
    const read = (answer) => answer.ok && answer.json().then(setNames);
    fetch(DICTIONARY).then(read).catch(() => {}); // the tags alone will do
  }, []);
  return html`<${Dialog} title=${t("viewer.tags")} wide onClose=${onClose}>
    <${Field} label=${t("viewer.tags.find")} hideLabel icon="search" placeholder=${t("viewer.tags.find")} value=${wanted} onInput=${setWanted} autofocus />
    ${problem && html`<${Failure} problem=${problem} onRetry=${() => setTries(tries + 1)} />`}
    ${!problem && !whole && html`<${Skeleton} />`}
    ${whole && html`<${Table} dataset=${whole} names=${names} words=${wanted.toLowerCase()} />`}
  <//>`;
}

function Table({ dataset, names, words }) {
  const found = [];
  for (const row of rows(dataset, names)) {
    if (found.length >= MOST) break;
    if (!words || `${row.tag} ${row.name} ${row.value}`.toLowerCase().includes(words)) found.push(row);
  }
  return html`<table class="tags">
    <tbody>
      ${found.map(
        ({ depth, tag, vr, name, value }, index) => html`<tr key=${index}>
          <td>${"› ".repeat(depth)}${tag.slice(0, 4)},${tag.slice(4)}</td>
          <td>${vr}</td>
          <td>${name}</td>
          <td>${value}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}
