import { html } from "../core/html.js";
import { Icon } from "./icon.js";

/** A state by colour and by shape or text. */
export const Badge = ({ text, kind = "plain", icon, title }) =>
  html`<span class=${`badge ${kind}`} title=${title}>${icon && html`<${Icon} name=${icon} />`}${text}</span>`;
