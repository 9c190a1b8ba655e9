/** Shown in place of content: there is none, it is loading, or something went wrong. */
import { html } from "../core/html.js";
import { t } from "../core/strings.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";

/** `heading`: "h1" if this is all that the page shows. */
export const EmptyState = ({ icon, title, heading = "h2", children }) => html`<div class="empty">
  <${Icon} name=${icon} /><${heading}>${title}<//>${children}
</div>`;

export const Skeleton = ({ rows = 8 }) => html`<div class="skeleton" role="status" aria-label=${t("loading")}>
  ${Array.from({ length: rows }, (_, index) => html`<div key=${index}></div>`)}
</div>`;

/** What happened, what to do, and the id to quote. */
export function Failure({ problem, onRetry }) {
  return html`<div class="failure" role="alert">
    <${Icon} name="exclamation-triangle" />
    <div>
      <p>${explain(problem)}</p>
      ${problem.correlationId && html`<small>${t("problem.id", { id: problem.correlationId })}</small>`}
    </div>
    ${onRetry && html`<${Button} icon="arrow-clockwise" label=${t("retry")} onClick=${onRetry} />`}
  </div>`;
}

/** The same, in place of a whole page. */
export const Trouble = ({ problem, title = t("failed.title"), onRetry, onBack }) => html`<main>
  <${EmptyState} icon="exclamation-triangle" title=${title} heading="h1">
    <p role="alert">${explain(problem)}</p>
    <div class="buttons">
      <${Button} kind=${onBack ? "quiet" : "main"} icon="arrow-clockwise" label=${t("retry")} onClick=${onRetry} />
      ${onBack && html`<${Button} kind="main" icon="arrow-left" label=${t("viewer.back")} onClick=${onBack} />`}
    </div>
    ${problem.correlationId && html`<small>${t("problem.id", { id: problem.correlationId })}</small>`}
  <//>
</main>`;

export function explain(problem) {
  if (problem.code === "NETWORK") return t("problem.network");
  if (problem.status >= 500) return t("problem.server", { message: problem.message });
  return problem.message || t("problem.unknown");
}
