import { html, useLayoutEffect, useRef } from "../core/html.js";
import { Icon } from "./icon.js";

let made = 0;

/** A label with an input, or with a choice if there are `options`: [value, text] each. */
export function Field({ label, value, onInput, options, icon, hideLabel = false, error, inputRef, ...rest }) {
  const own = useRef(null);
  own.current ??= `field-${++made}`;
  const id = rest.id ?? own.current;
  // before the next key, which may be meant for it
  useLayoutEffect(() => void (rest.autofocus && document.getElementById(id)?.focus()), []);
  const typed = (event) => onInput(event.currentTarget.value);
  const control = options
    ? html`<select id=${id} value=${value} onChange=${typed} ...${rest}>
        ${options.map(([each, text]) => html`<option value=${each} selected=${each === value}>${text}</option>`)}
      </select>`
    : html`<input id=${id} value=${value} onInput=${typed} ref=${inputRef} autocomplete="off" spellcheck=${false} ...${rest} />`;
  return html`<div class=${`field${error ? " wrong" : ""}`}>
    <label for=${id} class=${hideLabel ? "unseen" : ""}>${label}</label>
    <div class="control">${icon && html`<${Icon} name=${icon} />`}${control}</div>
    ${error && html`<p class="fault" role="alert">${error}</p>`}
  </div>`;
}
