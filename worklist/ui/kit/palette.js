/** Ctrl K: go anywhere or do anything by typing some of its letters. */
import { html, useEffect, useState } from "../core/html.js";
import { t } from "../core/strings.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icon.js";
import { Failure } from "./states.js";

const matches = (text, wanted) => wanted.every((word) => text.toLowerCase().includes(word));

const SHORTEST = 2; // letters that are searched for
const PAUSE = 250; // milliseconds without another letter

/** `actions`: {label, icon, keys, run}; `find(text)` resolves to more of them. */
export function Palette({ actions, find, onClose }) {
  const [text, setText] = useState("");
  const [answer, setAnswer] = useState({}); // to the search for `of`: the `items` found or the `problem`
  const [at, setAt] = useState(0);
  const wanted = text.trim();
  const isAsked = wanted.length >= SHORTEST;
  const { items = [], problem } = isAsked && answer.of === wanted ? answer : {};
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = [...actions.filter((action) => matches(action.label, words)), ...items].slice(0, 12);

  useEffect(() => {
    if (!isAsked) return undefined;
    const abort = new AbortController();
    const settle = (found) => abort.signal.aborted || setAnswer({ of: wanted, ...found });
    const ask = () => find(wanted, abort.signal).then((items) => settle({ items }), (problem) => settle({ problem }));
    const timer = setTimeout(ask, PAUSE);
    return () => (clearTimeout(timer), abort.abort());
  }, [wanted]);

  const write = (event) => {
    setText(event.currentTarget.value);
    setAt(0);
  };
  const run = (action) => {
    onClose();
    action.run();
  };
  const press = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step && event.key !== "Enter") return;
    event.preventDefault();
    if (!shown.length) return;
    if (step) setAt((at + step + shown.length) % shown.length);
    else run(shown[at]);
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
      onInput=${write}
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
    <p role="status">${isAsked && answer.of !== wanted ? t("loading") : !shown.length && !problem && t("studies.none")}</p>
    ${problem && html`<${Failure} problem=${problem} />`}
  <//>`;
}
