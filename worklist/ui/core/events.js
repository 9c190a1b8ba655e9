/** What happens in the archive, as it happens. If the stream drops, it reconnects at growing intervals. */
import { signal } from "./html.js";
import { API } from "./api.js";

export const connection = signal("connecting"); // then "live" or "lost"

const listeners = new Set();
const NAMES = ["study.received", "study.complete", "study.late_images", "study.updated", "study.deleted", "instance.deleted"];
const LONGEST = 60_000;
const LINGERS = 3000; // milliseconds
let source = null;
let pause = 1000;
let timer = 0;
let hiding = 0;
let behind = false; // whether something may have happened while there was no stream

/** Calls back for each event, and with null whenever something may have been missed. */
export function onChange(callback) {
  listeners.add(callback);
  reopen();
  return () => listeners.delete(callback);
}

const tell = (event) => listeners.forEach((callback) => callback(event));

function open() {
  clearTimeout(timer);
  source = new EventSource(`${API}/events`);
  source.onopen = () => {
    const missed = behind || connection.value === "lost";
    connection.value = "live";
    pause = 1000;
    behind = false;
    if (missed) tell(null);
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

export const reopen = () => source ?? (listeners.size && !document.hidden && open());

/** A browser has six connections to a server for all its tabs: those out of sight leave theirs to the others. */
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(leave, LINGERS);
  else reopen();
});

function leave() {
  behind = true;
  close();
}
