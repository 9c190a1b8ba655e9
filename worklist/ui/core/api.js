/** Calls to the archive. Whatever goes wrong is a Problem: what happened, and the id to quote. */
export const ROOT = document.querySelector("meta[name=root]")?.content ?? "";
export const DICOMWEB = `${ROOT}/dicom-web`;
export const API = `${ROOT}/api/v1`;

export class Problem extends Error {
  constructor(message, { status = 0, code = "NETWORK", correlationId = "" } = {}) {
    super(message);
    Object.assign(this, { status, code, correlationId });
  }

  get aborted() {
    return this.code === "ABORTED";
  }
}

let csrf = "";
let under = new AbortController(); // all requests on behalf of the user who is signed in
let onSignedOut = () => {};

export const useCsrf = (token) => (csrf = token ?? "");
export const whenSignedOut = (callback) => (onSignedOut = callback);
/** For callers that do not use `request`. */
export const signedOut = () => onSignedOut();

const lost = (error) => new Problem("", { code: error.name === "AbortError" ? "ABORTED" : "NETWORK" });

async function problemOf(response) {
  const correlationId = response.headers.get("X-Correlation-ID") ?? "";
  let body = {};
  try {
    body = await response.json();
  } catch {
    // an answer without a body, or from a proxy: only its status says anything
  }
  return new Problem(body.message || `${response.status} ${response.statusText}`.trim(), {
    status: response.status,
    code: body.code || "HTTP",
    correlationId: body.correlation_id || correlationId,
  });
}

/** Aborts running requests: their answers would reach a page that is gone. */
export function abandon() {
  under.abort();
  under = new AbortController();
}

/** A successful response (2xx); otherwise throws a Problem. */
export async function request(url, { method = "GET", headers = {}, body, signal, quiet = false } = {}) {
  const safe = method === "GET" || method === "HEAD";
  let response;
  try {
    response = await fetch(url, {
      method,
      body,
      signal: signal ? AbortSignal.any([signal, under.signal]) : under.signal,
      credentials: "same-origin",
      headers: safe || !csrf ? headers : { "X-CSRF-Token": csrf, ...headers },
    });
  } catch (error) {
    throw lost(error);
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401 && !quiet) onSignedOut();
  throw problem;
}

/** The body, `as` "json", "blob" or "arrayBuffer"; a Problem if the connection breaks, or is aborted, on the way. */
export const received = (response, as) => response[as]().catch((error) => Promise.reject(lost(error)));

export async function json(url, options = {}) {
  const response = await request(url, { ...options, headers: { Accept: "application/json", ...options.headers } });
  return response.status === 204 ? null : received(response, "json");
}

export const post = (url, value, options = {}) =>
  json(url, {
    ...options,
    method: "POST",
    body: JSON.stringify(value),
    headers: { "Content-Type": "application/json" },
  });

/** A DICOMweb search: the data sets found, and the total if the server gives it. */
export async function search(path, parameters, { signal } = {}) {
  const url = `${DICOMWEB}/${path}?${new URLSearchParams(parameters)}`;
  const response = await request(url, { signal, headers: { Accept: "application/dicom+json" } });
  const items = response.status === 204 ? [] : await received(response, "json");
  const total = response.headers.get("X-Total-Count");
  return { items, total: total === null ? null : Number(total), warning: response.headers.get("Warning") };
}
