import { html } from "../core/html.js";
export const Viewer = () => html`<p>…</p>`;
