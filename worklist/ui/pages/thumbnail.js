import { html, useState } from "../core/html.js";
import { DICOMWEB } from "../core/api.js";

/** Modalities that have nothing to see in small. */
export const WITHOUT_PICTURE = new Set(["SR", "PR", "KO", "DOC", "AU", "ECG", "HD", "RWV", "PLAN", "REG", "RTPLAN", "RTRECORD", "RTSTRUCT", "M3D", "FID"]);

/** A series in small as the server renders it, once it need not `wait`; its modality where there is nothing to see. */
export function Thumbnail({ study, series, modality, wait = false, none = WITHOUT_PICTURE.has(modality) }) {
  const [failed, setFailed] = useState(none);
  const url = `${DICOMWEB}/studies/${study}/series/${series}/thumbnail`;
  return html`<div class="thumb">
    ${failed ? modality : !wait && html`<img src=${url} alt="" loading="lazy" onError=${() => setFailed(true)} />`}
  </div>`;
}
