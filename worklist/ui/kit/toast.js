/** Short words that come and go; errors stay until they are read. */
import { html, signal } from "../core/html.js";
import { t } from "../core/strings.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";

const toasts = signal([]);
let made = 0;

export function toast(text, { kind = "info", detail = "" } = {}) {
  const one = { id: ++made, text, kind, detail };
  toasts.value = [...toasts.value.slice(-3), one];
  if (kind !== "error") setTimeout(() => dismiss(one), 5000);
}

const dismiss = (one) => (toasts.value = toasts.value.filter((each) => each.id !== one.id));

export const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">
  ${toasts.value.map(
    (one) => html`<div key=${one.id} class=${`toast ${one.kind}`}>
      <${Icon} name=${one.kind === "error" ? "exclamation-triangle" : "check-lg"} />
      <div><p>${one.text}</p>${one.detail && html`<small>${one.detail}</small>`}</div>
      <${Button} bare icon="x-lg" label=${t("close")} onClick=${() => dismiss(one)} />
    </div>`,
  )}
</div>`;
