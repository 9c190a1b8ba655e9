import { html, useState } from "../core/html.js";
import { DICOMWEB } from "../core/api.js";

/** Modalities without a picture of their own. */
export const WITHOUT_PICTURE = new Set(["SR", "PR", "KO", "DOC", "AU", "ECG", "HD", "RWV", "PLAN", "REG", "RTPLAN", "RTRECORD", "RTSTRUCT", "M3D", "FID"]);

const showsAnother = (modality) => modality === "PR"; // a presentation state: its thumbnail is of that image

/** The server's thumbnail of a series, once it need not `wait`; its modality if there is nothing to see. */
export function Thumbnail({ study, series, modality, wait = false, none = WITHOUT_PICTURE.has(modality) && !showsAnother(modality) }) {
  const [failed, setFailed] = useState(none);
  const url = `${DICOMWEB}/studies/${study}/series/${series}/thumbnail`;
  return html`<div class="thumb">
    ${failed ? modality : !wait && html`<img src=${url} alt="" loading="lazy" onError=${() => setFailed(true)} />`}
  </div>`;
}
