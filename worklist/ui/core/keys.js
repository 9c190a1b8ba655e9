/** Keys: what is pressed belongs to the page on top; `?` shows the list that this module keeps. */
import { signal, useLayoutEffect, useRef } from "./html.js";

const layers = [];
export const bound = signal([]);

const typing = (node) => node.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

/** What the key does to the control that has the focus comes first. */
const presses = (node, { key }) => (key === "Enter" || key === " ") && node.closest?.("button, a[href], summary");

/** `Shift+A`, `Ctrl+k`, `ArrowDown`, `?`: as the event names it; a letter's case says shift. */
function nameOf(event) {
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  return control + (event.altKey ? "Alt+" : "") + event.key;
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || presses(event.target, event)) return;
  const name = nameOf(event);
  for (const layer of layers.toReversed()) {
    const key = layer.keys.find((each) => each.key === name || each.also?.includes(name));
    if (key && (key.whileTyping || !typing(event.target))) {
      if (key.run(event) === false) return;
      event.preventDefault();
      return;
    }
    if (layer.alone) return;
  }
});

const show = () => (bound.value = layers.toReversed().flatMap((layer) => layer.keys).filter((key) => key.label));

/**
 * While the caller is shown. `alone`: what lies below hears nothing. Each of `keys`: {key, also, run, label}; the list
 * shows those with a label, beside them the keys of their opposite in `back`.
 */
export function useKeys(keys, { alone = false } = {}) {
  const layer = useRef({ keys, alone }).current;
  layer.keys = keys;
  // a layout effect, as its end is not put off: what is gone hears nothing any more
  useLayoutEffect(() => {
    layers.push(layer);
    show();
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      show();
    };
  }, []);
}
