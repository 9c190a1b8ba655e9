/** Short messages that disappear by themselves, but not while they have the pointer or the focus. Errors stay until dismissed. */
import { html, signal, useEffect, useRef } from "../core/html.js";
import { useKeys } from "../core/keys.js";
import { t } from "../core/strings.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";
import { explain } from "./states.js";

const LASTS = 5000; // milliseconds
const LASTS_TO_ACT = 12_000;

const toasts = signal([]);
const timers = new Map();
let made = 0;
let held = false;

/** `action`: {label, keys, run}; `keys` only if it is an undo. Replaces an earlier message `about` the same thing. */
export function toast(text, { kind = "info", detail = "", action, about } = {}) {
  const one = { id: ++made, text, kind, detail, action, about };
  const others = toasts.value.filter((each) => !about || each.about !== about);
  toasts.value = [...others.slice(-3), one];
  if (!held) count(one);
}

/** What went wrong, and the id to quote; nothing if the request was aborted. */
export function toastProblem(problem, { about } = {}) {
  if (problem.aborted) return;
  const detail = problem.correlationId && t("problem.id", { id: problem.correlationId });
  toast(explain(problem), { kind: "error", detail, about });
}

function count(one) {
  if (one.kind !== "error") timers.set(one.id, setTimeout(() => dismiss(one), one.action ? LASTS_TO_ACT : LASTS));
}

/** The time starts again for somebody who is reading (WCAG 2.2.1). */
function hold(now) {
  if (now === held) return;
  held = now;
  timers.forEach(clearTimeout);
  timers.clear();
  if (!held) toasts.value.forEach(count);
}

const dismiss = (one) => (toasts.value = toasts.value.filter((each) => each.id !== one.id));

export function Toasts() {
  const last = toasts.value.findLast((one) => one.action?.keys);
  const region = useRef(null);
  const reading = useRef({ points: false, focus: false, before: null }).current;
  const reads = (changes) => {
    Object.assign(reading, changes);
    hold(reading.points || reading.focus);
  };
  const hasFocus = () => region.current.contains(document.activeElement);
  /** Returns the focus to where it came from. */
  const close = (one) => {
    if (hasFocus()) reading.before?.focus();
    dismiss(one);
  };
  const act = (one) => {
    if (!one) return false;
    close(one);
    return void one.action.run();
  };
  useEffect(() => reads({ points: reading.points && toasts.value.length > 0, focus: hasFocus() }), [toasts.value]);
  useKeys([{ key: "Ctrl+z", label: t("key.undo"), run: () => act(last) }]);
  const inside = ({ currentTarget, relatedTarget }) => currentTarget.contains(relatedTarget);
  const shown = (ofErrors) => toasts.value.filter(({ kind }) => (kind === "error") === ofErrors).map((one) => html`<${Toast} key=${one.id} one=${one} isLast=${one === last} onAct=${act} onClose=${close} />`);
  return html`<div
    class="toasts"
    ref=${region}
    onPointerEnter=${(event) => event.pointerType !== "touch" && reads({ points: true })}
    onPointerLeave=${() => reads({ points: false })}
    onFocusIn=${(event) => reads({ focus: true, before: inside(event) ? reading.before : event.relatedTarget })}
    onFocusOut=${(event) => inside(event) || reads({ focus: false })}
  >
    <div role="status">${shown(false)}</div>
    <div role="alert">${shown(true)}</div>
  </div>`;
}

const Toast = ({ one, isLast, onAct, onClose }) => html`<div class=${`toast ${one.kind}`}>
  <${Icon} name=${one.kind === "error" ? "exclamation-triangle" : "check-lg"} />
  <div><p>${one.text}</p>${one.detail && html`<small>${one.detail}</small>`}</div>
  ${one.action && html`<${Button} kind="quiet" label=${one.action.label} keys=${isLast ? one.action.keys : undefined} onClick=${() => onAct(one)} />`}
  <${Button} bare icon="x-lg" label=${t("close")} onClick=${() => onClose(one)} />
</div>`;
