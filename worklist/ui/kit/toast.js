/** Short words that come and go; errors stay until they are read. */
import { html, signal } from "../core/html.js";
import { useKeys } from "../core/keys.js";
import { t } from "../core/strings.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";

const LASTS = 5000; // milliseconds
const LASTS_TO_ACT = 12_000;

const toasts = signal([]);
let made = 0;

/** `action`: {label, keys, run}; `keys` only where it is an undo. It takes the place of what was said `about` the same. */
export function toast(text, { kind = "info", detail = "", action, about } = {}) {
  const one = { id: ++made, text, kind, detail, action, about };
  const others = toasts.value.filter((each) => !about || each.about !== about);
  toasts.value = [...others.slice(-3), one];
  if (kind !== "error") setTimeout(() => dismiss(one), action ? LASTS_TO_ACT : LASTS);
}

const dismiss = (one) => (toasts.value = toasts.value.filter((each) => each.id !== one.id));

function act(one) {
  if (!one) return false;
  dismiss(one);
  return void one.action.run();
}

export function Toasts() {
  const last = toasts.value.findLast((one) => one.action?.keys);
  useKeys([{ key: "Ctrl+z", label: t("key.undo"), run: () => act(last) }]);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      (one) => html`<div key=${one.id} class=${`toast ${one.kind}`}>
        <${Icon} name=${one.kind === "error" ? "exclamation-triangle" : "check-lg"} />
        <div><p>${one.text}</p>${one.detail && html`<small>${one.detail}</small>`}</div>
        ${one.action && html`<${Button} kind="quiet" label=${one.action.label} keys=${one === last ? one.action.keys : undefined} onClick=${() => act(one)} />`}
        <${Button} bare icon="x-lg" label=${t("close")} onClick=${() => dismiss(one)} />
      </div>`,
    )}
  </div>`;
}
