/** Shown in place of a page: there is none at this address, or the server failed. */
import { html, useEffect } from "../core/html.js";
import { Problem } from "../core/api.js";
import { go, place } from "../core/router.js";
import { t } from "../core/strings.js";
import { Button } from "../kit/button.js";
import { EmptyState, Trouble } from "../kit/states.js";

const told = JSON.parse(document.querySelector("meta[name=failure]")?.content ?? "null");
const at = place.value.path;

/** What the server said about this document, at the requested address. */
function problemHere() {
  if (!told || place.value.path !== at) return undefined;
  return new Problem(told.message, { ...told, correlationId: told.correlation_id });
}

/** After signing in, the answer may be different. */
export const isRefused = () => (problemHere()?.status ?? 401) !== 401;

export function Failed() {
  const problem = problemHere();
  const absent = (problem?.status ?? 404) === 404;
  const title = t(absent ? "failed.absent" : "failed.title");
  useEffect(() => void (document.title = `${title} · ${t("app")}`));
  if (!absent) return html`<${Trouble} ...${{ problem, title }} onRetry=${() => location.reload()} onBack=${() => go("/")} />`;
  return html`<main>
    <${EmptyState} icon="search" title=${title} heading="h1">
      <p>${t("failed.absent.hint")}</p>
      <${Button} kind="main" icon="arrow-left" label=${t("viewer.back")} onClick=${() => go("/")} />
    <//>
  </main>`;
}
