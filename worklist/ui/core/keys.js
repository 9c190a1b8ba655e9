/** Keys: the page on top gets them; `?` shows the list that this module keeps. */
import { signal, useLayoutEffect, useRef } from "./html.js";

const layers = [];
export const bound = signal([]);

const typing = (node) => node.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

/** Whatever the key does in the focused control takes precedence. */
const presses = (node, { key }) => (key === "Enter" || key === " ") && node.closest?.("button, a[href], summary");

/** `Shift+A`, `Ctrl+k`, `ArrowDown`, `?`: as events name them; a letter's case implies shift. */
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
 * Active while the caller is shown. `alone`: pages below get no keys. Each of `keys`: {key, also, run, label}; the list
 * shows those with a label, and beside them the keys of their opposite in `back`.
 */
export function useKeys(keys, { alone = false } = {}) {
  const layer = useRef({ keys, alone }).current;
  layer.keys = keys;
  // a layout effect, because it ends at once: a component that is gone gets no more keys
  useLayoutEffect(() => {
    layers.push(layer);
    show();
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      show();
    };
  }, []);
}
