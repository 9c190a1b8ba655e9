import { html, useState } from "../core/html.js";
import { DICOMWEB } from "../core/api.js";

/** A series in small as the server renders it; its modality where there is nothing to see. */
export function Thumbnail({ study, series, modality }) {
  const [failed, setFailed] = useState(false);
  const url = `${DICOMWEB}/studies/${study}/series/${series}/thumbnail`;
  return html`<div class="thumb">
    ${failed ? modality : html`<img src=${url} alt="" loading="lazy" onError=${() => setFailed(true)} />`}
  </div>`;
}
