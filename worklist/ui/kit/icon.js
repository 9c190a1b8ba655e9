import { html } from "../core/html.js";
import { ICONS } from "../vendor/icons.js";

/** Always beside a label, or inside something that has one. */
export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${ICONS[name].map((d) => html`<path d=${d} />`)}</svg>`;
