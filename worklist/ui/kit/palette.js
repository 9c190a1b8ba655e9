/** Ctrl K: go anywhere or do anything by typing some of its letters. */
import { html, useEffect, useState } from "../core/html.js";
import { t } from "../core/strings.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icon.js";

const matches = (text, wanted) => wanted.every((word) => text.toLowerCase().includes(word));

/** `actions`: {label, icon, keys, run}; `find(text)` resolves to more of them. */
export function Palette({ actions, find, onClose }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState([]);
  const [at, setAt] = useState(0);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = [...actions.filter((action) => matches(action.label, words)), ...found].slice(0, 12);

  useEffect(() => {
    setAt(0);
    setFound([]);
    if (text.trim().length < 2) return;
    const abort = new AbortController();
    const timer = setTimeout(() => find(text.trim(), abort.signal).then(setFound, () => {}), 250);
    return () => (clearTimeout(timer), abort.abort());
  }, [text]);

  const run = (action) => {
    onClose();
    action?.run();
  };
  const press = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((at + step + shown.length) % shown.length);
    else if (event.key === "Enter") run(shown[at]);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} title=${t("palette")} onClose=${onClose}>
    <input
      class="palette"
      role="combobox"
      aria-expanded="true"
      aria-controls="palette-list"
      aria-activedescendant=${shown.length ? `palette-${at}` : undefined}
      aria-label=${t("palette.hint")}
      placeholder=${t("palette.hint")}
      value=${text}
      autofocus
      onInput=${(event) => setText(event.currentTarget.value)}
      onKeyDown=${press}
    />
    <ul id="palette-list" role="listbox" aria-label=${t("palette")}>
      ${shown.map(
        (action, index) => html`<li
          key=${action.label + index}
          id=${`palette-${index}`}
          role="option"
          aria-selected=${String(index === at)}
          onClick=${() => run(action)}
        >
          <${Icon} name=${action.icon} /><span>${action.label}</span>${action.keys && html`<kbd>${action.keys}</kbd>`}
        </li>`,
      )}
    </ul>
    ${!shown.length && html`<p role="status">${t("studies.none")}</p>`}
  <//>`;
}
