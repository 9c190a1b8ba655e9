/** Calls to the server from a worker; errors say the same as those of the page's own calls. */

/** A connection that breaks during an answer. */
export function lost(error) {
  throw Object.assign(new Error(error.message), { code: error.name === "AbortError" ? "ABORTED" : "NETWORK" });
}

/** A successful response (2xx); otherwise throws what `problemOf` reads. */
export async function ask(url, accept, signal) {
  const response = await fetch(url, { headers: { Accept: accept }, credentials: "same-origin", signal }).catch(lost);
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw Object.assign(new Error(said.message || `${response.status} ${response.statusText}`), {
    status: response.status,
    code: said.code ?? "HTTP",
    correlationId: said.correlation_id ?? response.headers.get("X-Correlation-ID"),
  });
}

/** In a form that can be posted; `Problem` takes it. */
export const problemOf = ({ message, status = 0, code, name, correlationId }) => ({
  message,
  status,
  code: code ?? name,
  correlationId: correlationId ?? "",
});
