/** A pane on the screen: the canvas, what lies over it, and what the pointer does. */
import { html, useEffect, useRef } from "../core/html.js";
import { t } from "../core/strings.js";
import { DocumentView } from "./document.js";
import { Marks } from "./marks.js";
import { POINTS, grab } from "./measure.js";

const WHEEL_STEP = 40; // of a wheel's or touchpad's travel for one image

export function PaneView({ pane, desk, active, tool, onActivate, onScroll }) {
  const canvas = useRef(null);
  const scroll = useRef(onScroll); // the pointer handlers survive a redraw, so that a drag is never cut off
  const series = pane.series.value;
  const study = desk.studyOf(series);
  pane.hung.value; // drawn anew when it changes
  useEffect(() => pane.attach(canvas.current), [pane]);
  useEffect(() => pane.draw());
  scroll.current = onScroll;
  useEffect(() => handlers(canvas.current, pane, tool, (step) => scroll.current(step)), [pane]);
  const label = series ? t("viewer.image", { series: series.description || series.modality }) : t("viewer.empty");
  return html`<section
    class="pane"
    data-active=${String(active)}
    data-pane=${pane.id}
    tabindex="0"
    aria-label=${label}
    onPointerDown=${onActivate}
    onFocus=${onActivate}
  >
    <canvas ref=${canvas} role="img" aria-label=${label}></canvas>
    ${series && series.kind !== "image" && html`<${DocumentView} pane=${pane} desk=${desk} study=${study} />`}
    ${series?.kind === "image" && html`<${Marks} pane=${pane} study=${study} />`}
    <${Missing} pane=${pane} />
  </section>`;
}

/** Why there is nothing to see: it is loading, which is shown only after a while, or nothing was chosen. */
function Missing({ pane }) {
  pane.loaded.value;
  if (pane.isWaiting) return html`<p class="waiting" role="status">${t("loading")}</p>`;
  return pane.series.value ? null : html`<div class="message"><p>${t("viewer.empty")}</p></div>`;
}

/** Wheel and pointer: the right button adjusts the window, the middle one pans, the left one is the chosen tool. */
function handlers(canvas, pane, tool, onScroll) {
  const abort = new AbortController();
  const on = (name, run) => canvas.addEventListener(name, run, { signal: abort.signal, passive: false });
  const pointers = new Map();
  let travel = 0;
  let held = null; // a measurement's point
  let using = "";

  on("contextmenu", (event) => event.preventDefault());
  on("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) return pane.zoomBy(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
    travel += event.deltaMode ? event.deltaY * WHEEL_STEP : event.deltaY;
    const step = Math.trunc(travel / WHEEL_STEP);
    travel -= step * WHEEL_STEP;
    if (step) onScroll(Math.sign(step) * Math.max(1, Math.abs(step) > 3 ? Math.round(Math.abs(step) / 2) : 1));
  });
  on("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.parentElement.focus({ preventScroll: true });
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    travel = 0;
    if (pointers.size > 1) return letGo(true);
    using = { 1: "pan", 2: "window" }[event.button] ?? tool.value;
    if (event.button === 0 && pane.image) held = measuring(pane, tool.value, event);
    if (held) using = "measure";
  });
  on("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
    if (pointers.size === 2) pinch(pane, pointers, event);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size > 1) return;
    if (using === "measure") {
      held.measure.points[held.index] = pane.toImage(event.offsetX, event.offsetY);
      pane.redraw();
    } else if (using === "window") pane.adjustWindow(dx, dy);
    else if (using === "pan") pane.panBy(dx, dy);
    else if (using === "zoom") pane.zoomBy(Math.exp(-dy / 150));
    else if (using === "scroll") {
      travel += dy;
      const step = Math.trunc(travel / 8);
      travel -= step * 8;
      if (step) onScroll(step);
    }
  });
  const letGo = (givenUp) => {
    if (held) finish(pane, held, givenUp);
    held = null;
    using = "";
  };
  const release = (event) => {
    pointers.delete(event.pointerId);
    letGo();
  };
  on("pointerup", release);
  on("pointercancel", release);
  on("dblclick", () => pane.reset());
  return () => abort.abort();
}

/** Two fingers: what lies between them stays between them. */
function pinch(pane, pointers, { pointerId, clientX, clientY, currentTarget }) {
  const [x, y] = [...pointers].find(([id]) => id !== pointerId)[1];
  const [lastX, lastY] = pointers.get(pointerId);
  const { left, top } = currentTarget.getBoundingClientRect();
  const factor = Math.hypot(clientX - x, clientY - y) / Math.max(1, Math.hypot(lastX - x, lastY - y));
  pane.panBy((clientX - lastX) / 2, (clientY - lastY) / 2);
  pane.zoomBy(factor, (clientX + x) / 2 - left, (clientY + y) / 2 - top);
}

/** The point that was grabbed, or that of a new measurement. */
function measuring(pane, tool, event) {
  const list = pane.measures.get(pane.image.key) ?? [];
  const open = list.find((each) => each.kind === "angle" && each.points.length < POINTS.angle);
  const point = pane.toImage(event.offsetX, event.offsetY);
  if (open) {
    open.points.push(point);
    return { measure: open, index: open.points.length - 1 };
  }
  const found = grab(list, pane.toScreen, event.offsetX, event.offsetY);
  if (found || !(tool in POINTS)) return found ?? null;
  const measure = { kind: tool, points: [point, [...point]] };
  pane.measures.set(pane.image.key, [...list, measure]);
  return { measure, index: 1, isNew: true };
}

/** Neither a click without a drag nor a drag that became something else measures anything. */
function finish(pane, { measure, isNew }, givenUp = false) {
  const [a, b] = measure.points;
  const list = pane.measures.get(pane.image.key) ?? [];
  if ((a[0] === b[0] && a[1] === b[1]) || (isNew && givenUp)) pane.measures.set(pane.image.key, list.filter((each) => each !== measure));
  pane.redraw();
}
