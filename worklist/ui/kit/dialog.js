import { html, useLayoutEffect, useRef } from "../core/html.js";
import { t } from "../core/strings.js";
import { useKeys } from "../core/keys.js";
import { Button } from "./button.js";

/** On top of everything; Escape closes it, and the focus returns. `read`: a long text that keys scroll. */
export function Dialog({ title, onClose, children, footer, wide = false, read = false }) {
  const element = useRef(null);
  useKeys([], { alone: true });
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = element.current;
    dialog.showModal();
    return () => {
      dialog.close(); // while it is open, nothing else takes the focus
      before?.focus?.();
    };
  }, []);
  const outside = (event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-label=${title} onClose=${() => element.current && onClose()} onClick=${outside}>
    <header><h2>${title}</h2><${Button} bare icon="x-lg" label=${t("close")} keys="Escape" onClick=${onClose} /></header>
    <div class="body" tabindex=${read ? 0 : undefined}>${children}</div>
    ${footer && html`<footer>${footer}</footer>`}
  </dialog>`;
}
