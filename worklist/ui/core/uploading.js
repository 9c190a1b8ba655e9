/** Uploads files, a few at a time, even while another page is open. */
import { signal } from "./html.js";
import { API, json } from "./api.js";

const MOST_FILES = 100;
const MOST_BYTES = 64 << 20;
/** Errors caused by the file itself: the next file may succeed. Any other error is worth another try. */
const REFUSED = new Set([400, 413, 415, 422]);
const ARCHIVE = /\.(zip|tar|tgz|gz)$/i;

/** `problem`: why it stopped; the remaining files wait for `go`. */
export const sending = signal({ total: 0, sent: 0, skipped: 0, problem: null });

const waiting = [];
let busy = false;
let abort = new AbortController();

/** `found`: [{file, path}]; files in folders that are obviously not DICOM are left out. */
export async function send(found) {
  const kept = [];
  for (const each of found) if (!each.path.includes("/") || (await isOfUse(each))) kept.push(each);
  waiting.push(...kept);
  note({ total: sending.value.total + kept.length, skipped: sending.value.skipped + found.length - kept.length });
  await go();
}

/** Whatever has not been sent yet will not be. */
export function cancel() {
  waiting.length = 0;
  abort.abort();
  abort = new AbortController();
}

export async function go() {
  if (busy) return;
  busy = true;
  note({ problem: null });
  while (waiting.length) {
    const some = batch();
    try {
      await json(`${API}/uploads`, { method: "POST", body: form(some), signal: abort.signal });
    } catch (problem) {
      if (problem.aborted) break;
      note({ problem });
      if (!REFUSED.has(problem.status)) break;
    }
    waiting.splice(0, some.length);
    note({ sent: sending.value.sent + some.length });
  }
  busy = false;
  if (!waiting.length && !sending.value.problem) note({ total: 0, sent: 0 });
}

const note = (changes) => (sending.value = { ...sending.value, ...changes });

/** An archive is sent alone, because it may be refused as a whole. */
function batch() {
  const end = waiting.findIndex((each, at) => at && (at === MOST_FILES || ARCHIVE.test(each.path) || ARCHIVE.test(waiting[at - 1].path)));
  const some = waiting.slice(0, end < 0 ? MOST_FILES : end);
  let bytes = 0;
  const over = some.findIndex((each, at) => (bytes += each.file.size) > MOST_BYTES && at);
  return over > 0 ? some.slice(0, over) : some;
}

function form(some) {
  const made = new FormData();
  for (const { file, path } of some) made.append("files", file, path);
  return made;
}

/** By its first bytes, as the server recognises an instance (PS3.10 §7.1). */
async function isOfUse({ file, path }) {
  if (/(^|\/)DICOMDIR$/i.test(path)) return false;
  if (ARCHIVE.test(path)) return true;
  const head = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  const marked = String.fromCharCode(...head.slice(128)) === "DICM";
  return marked || ([2, 8].includes(head[0]) && head[1] === 0);
}

export const chosen = (list) => [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/** The dropped files, including those in folders. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(transfer.files);
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path: entry.fullPath.slice(1) }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at most
    if (!some.length) return (await Promise.all(found.map(walk))).flat();
    found.push(...some);
  }
}
