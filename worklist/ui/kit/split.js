import { html, useRef, useState } from "../core/html.js";
import { t } from "../core/strings.js";

const LEAST = 240;
const STEP = 24;

/** Two panes. The line between them can be dragged or moved with the arrow keys; its place is remembered. */
export function SplitPane({ name, children, side, width = 360 }) {
  const key = `split.${name}`;
  const [wide, setWide] = useState(Number(localStorage.getItem(key)) || width);
  const whole = useRef(null);
  const settle = (value) => {
    const most = whole.current.clientWidth - LEAST;
    const next = Math.round(Math.max(LEAST, Math.min(most, value)));
    localStorage.setItem(key, next);
    setWide(next);
  };
  const drag = (event) => {
    if (event.buttons & 1) settle(whole.current.getBoundingClientRect().right - event.clientX);
  };
  const press = (event) => {
    const step = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
    if (step) settle(wide + step);
  };
  return html`<div class="split" ref=${whole}>
    <div class="main">${children}</div>
    ${side &&
    html`<div
        class="line"
        role="separator"
        tabindex="0"
        aria-orientation="vertical"
        aria-label=${t("split.width")}
        aria-valuenow=${wide}
        aria-valuemin=${LEAST}
        onPointerDown=${(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove=${drag}
        onKeyDown=${press}
      ></div>
      <aside style=${{ inlineSize: `${wide}px` }}>${side}</aside>`}
  </div>`;
}
