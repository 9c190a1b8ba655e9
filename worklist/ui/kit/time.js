import { html } from "../core/html.js";
import { exactly, when } from "../core/format.js";

/** An instant of the server, in the organisation's zone; the tooltip says to the second, and which zone. */
export const Time = ({ at, text, ...rest }) => html`<time datetime=${at} title=${exactly(at)} ...${rest}>${text ?? when(at)}</time>`;
