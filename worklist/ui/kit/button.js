import { html } from "../core/html.js";
import { Icon } from "./icon.js";

/** `keys` is the key that does the same: the tooltip names it. With `icon` alone, `label` is the tooltip. */
export function Button({ label, icon, keys, kind = "plain", bare = false, pressed, children, ...rest }) {
  const hint = keys ? `${label} (${keys})` : label;
  return html`<button
    type="button"
    class=${`button ${kind}`}
    title=${bare || keys ? hint : undefined}
    aria-label=${bare ? label : undefined}
    aria-keyshortcuts=${keys}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)}
    ...${rest}
  >
    ${icon && html`<${Icon} name=${icon} />`}${!bare && html`<span>${label}</span>`}${children}
  </button>`;
}
