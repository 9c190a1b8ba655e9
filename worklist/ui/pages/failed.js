/** In the place of a page: there is none at this address, or the server could not give what is. */
import { html } from "../core/html.js";
import { go, place } from "../core/router.js";
import { t } from "../core/strings.js";
import { Button } from "../kit/button.js";
import { EmptyState, explain } from "../kit/states.js";

const told = JSON.parse(document.querySelector("meta[name=failure]")?.content ?? "null");
const at = place.value.path;

/** What the server told with this document, of the address that it was asked for: {status, code, message, correlation_id}. */
const failureHere = () => (place.value.path === at && told) || { status: 404 };

/** Whoever signs in may get something else. */
export const isRefused = () => place.value.path === at && told !== null && told.status !== 401;

export function Failed() {
  const { status, code, message, correlation_id: id } = failureHere();
  const absent = status === 404;
  return html`<main>
    <${EmptyState} icon=${absent ? "search" : "exclamation-triangle"} title=${t(absent ? "failed.absent" : "failed.title")}>
      <p>${absent ? t("failed.absent.hint") : explain({ status, code, message })}</p>
      <div class="buttons">
        ${!absent && html`<${Button} icon="arrow-clockwise" label=${t("retry")} onClick=${() => location.reload()} />`}
        <${Button} kind="main" icon="images" label=${t("viewer.back")} onClick=${() => go("/")} />
      </div>
      ${id && html`<small>${t("problem.id", { id })}</small>`}
    <//>
  </main>`;
}
