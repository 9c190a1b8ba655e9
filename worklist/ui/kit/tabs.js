import { html } from "../core/html.js";

/** `tabs`: [id, text, count] each. Arrow keys move between them, as ARIA has it. */
export function Tabs({ label, tabs, chosen, onChoose }) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex(([id]) => id === chosen);
    const next = (at + step + tabs.length) % tabs.length;
    onChoose(tabs[next][0]);
    event.currentTarget.children[next].focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>
    ${tabs.map(
      ([id, text, count]) => html`<button
        key=${id}
        type="button"
        role="tab"
        aria-selected=${String(id === chosen)}
        tabindex=${id === chosen ? 0 : -1}
        onClick=${() => onChoose(id)}
      >
        ${text}${count !== undefined && html`<span class="count">${count}</span>`}
      </button>`,
    )}
  </div>`;
}
