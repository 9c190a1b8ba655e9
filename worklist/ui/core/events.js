/** What happens in the archive, as it happens. If the stream drops, it reconnects at growing intervals. */
import { signal } from "./html.js";
import { API } from "./api.js";

export const connection = signal("connecting"); // then "live" or "lost"

const listeners = new Set();
const NAMES = ["study.received", "study.complete", "study.late_images", "study.updated", "study.deleted", "instance.deleted"];
const LONGEST = 60_000;
let source = null;
let pause = 1000;
let timer = 0;

/** Calls back for each event, and with null whenever something may have been missed. */
export function onChange(callback) {
  listeners.add(callback);
  if (!source) open();
  return () => listeners.delete(callback);
}

const tell = (event) => listeners.forEach((callback) => callback(event));

function open() {
  clearTimeout(timer);
  source = new EventSource(`${API}/events`);
  source.onopen = () => {
    const lost = connection.value === "lost";
    connection.value = "live";
    pause = 1000;
    if (lost) tell(null);
  };
  source.onerror = () => {
    connection.value = "lost";
    if (source.readyState !== EventSource.CLOSED) return; // the browser reconnects by itself, from the last id
    timer = setTimeout(open, pause);
    pause = Math.min(pause * 2, LONGEST);
    tell(null);
  };
  const heard = (message) => tell(parsed(message));
  source.onmessage = heard;
  source.addEventListener("changes.gone", () => tell(null));
  NAMES.forEach((name) => source.addEventListener(name, heard));
}

function parsed(message) {
  try {
    return { type: message.type, ...JSON.parse(message.data) };
  } catch {
    return { type: message.type };
  }
}

export function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

export const reopen = () => source ?? (listeners.size && open());
