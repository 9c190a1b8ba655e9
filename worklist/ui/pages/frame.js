/** The frame of every page except the viewer: navigation, search, connection, user. */
import { html, useLayoutEffect, useRef, useState } from "../core/html.js";
import { Problem, search } from "../core/api.js";
import { connection } from "../core/events.js";
import { personName } from "../core/format.js";
import { bound, useKeys } from "../core/keys.js";
import { DENSITIES, THEMES, density, setDisplay, theme } from "../core/display.js";
import { go, href, openImages, place } from "../core/router.js";
import { rights, session, signOut } from "../core/session.js";
import { LANGUAGES, language, speak, t } from "../core/strings.js";
import { first, text } from "../dicom/dataset.js";
import { Button } from "../kit/button.js";
import { Dialog } from "../kit/dialog.js";
import { Field } from "../kit/field.js";
import { Icon } from "../kit/icon.js";
import { Palette } from "../kit/palette.js";
import { toastProblem } from "../kit/toast.js";
import { readingsOf } from "./studylist.js";

const ICON = document.querySelector("link[rel=icon]").href;
const DESTINATIONS = [
  ["/", "images", "nav.studies", "read"],
  ["/uploads", "upload", "nav.uploads", "store"],
  ["/deletions", "trash", "nav.deletions", "delete"],
];

let searching = false; // whether the last page was left while somebody typed into its search

/** `onQuery`: called while somebody types into the search; `onSettle`: once they leave it. */
export function Frame({ children, query, onQuery, onSettle, actions = [] }) {
  const [open, setOpen] = useState(null); // "palette", "help" or "settings"
  const box = useRef(null);
  const close = () => setOpen(null);
  useLayoutEffect(() => {
    if (searching) box.current.focus();
    return () => (searching = document.activeElement === box.current);
  }, []);
  useKeys([
    { key: "/", label: t("key.search"), run: () => box.current.select() },
    { key: "Ctrl+k", label: t("key.palette"), whileTyping: true, run: () => setOpen("palette") },
    { key: "?", label: t("key.help"), run: () => setOpen("help") },
  ]);
  const destinations = DESTINATIONS.filter(([, , , right]) => rights.value.has(right));
  const all = [
    ...actions,
    ...destinations.map(([path, icon, name]) => ({ label: t(name), icon, run: () => go(path) })),
    { label: t("help.title"), icon: "question-circle", keys: "?", run: () => setOpen("help") },
    { label: t("settings.title"), icon: "gear", run: () => setOpen("settings") },
  ];
  return html`<div class="frame">
    <nav class="rail" aria-label=${t("nav")}>
      <a class="logo" href=${href("/")} data-page aria-label=${t("app")}><img src=${ICON} alt="" /></a>
      ${destinations.map(
        ([path, icon, name]) => html`<a
          key=${path}
          href=${href(path)}
          data-page
          aria-current=${place.value.path === path ? "page" : undefined}
          ><${Icon} name=${icon} />${t(name)}</a
        >`,
      )}
      <div class="below">
        <${Button} bare icon="gear" label=${t("settings.title")} onClick=${() => setOpen("settings")} />
        <${Button} bare icon="question-circle" label=${t("nav.help")} keys="?" onClick=${() => setOpen("help")} />
      </div>
    </nav>
    <header class="top">
      <div class="search" role="search">
        <${Field}
          id="search"
          type="search"
          icon="search"
          hideLabel
          label=${t("search")}
          placeholder=${t("search")}
          value=${query}
          onInput=${onQuery}
          inputRef=${box}
          aria-keyshortcuts="/"
          onKeyDown=${leave}
          onBlur=${onSettle}
        />
      </div>
      <span class="gap"></span>
      <${Connection} />
      <${Who} />
    </header>
    <${Interrupted} />
    <main class="content">${children}</main>
    ${open === "palette" && html`<${Palette} actions=${all} find=${findStudies} onClose=${close} />`}
    ${open === "help" && html`<${Help} onClose=${close} />`}
    ${open === "settings" && html`<${Settings} onClose=${close} />`}
  </div>`;
}

/** Moves from the search down into the list, or leaves it. */
function leave(event) {
  if (!["ArrowDown", "Enter", "Escape"].includes(event.key)) return;
  event.preventDefault();
  const grid = document.querySelector("[role=grid]");
  if (grid) grid.focus();
  else event.currentTarget.blur(); // the page, which waits for its rows, gets the keys
}

export async function findStudies(words, signal) {
  for (const reading of readingsOf(words)) {
    const { items } = await search("studies", { ...reading, limit: 6, includefield: "StudyDescription" }, { signal });
    if (items.length) return items.map(studyAction);
  }
  return [];
}

const studyAction = (study) => ({
  label: [personName(first(study, "PatientName")), text(study, "StudyDescription")].filter(Boolean).join(" — "),
  icon: "person",
  run: () => openImages({ StudyInstanceUIDs: text(study, "StudyInstanceUID") }),
});

/** Says, on every page with live data, that there are no updates for the moment. */
export const Interrupted = () =>
  html`<div class="banner" role="status">
    ${connection.value === "lost" && html`<${Icon} name="cloud-slash" />${t("connection.banner")}`}
  </div>`;

const Connection = () =>
  html`<span class=${`state ${connection.value}`} role="status">
    <span class="wide-only">${t(`connection.${connection.value}`)}</span>
  </span>`;

function Who() {
  const { name, email, organization, open } = session.value;
  const leaveAll = () => signOut().catch(toastProblem);
  return html`<div class="who">
    <${Icon} name="person" /><span>${[email || name || t("open.user"), organization].filter(Boolean).join(" · ")}</span>
    ${!open && html`<${Button} bare icon="box-arrow-right" label=${t("signout")} onClick=${leaveAll} />`}
  </div>`;
}

export const Help = ({ onClose }) => html`<${Dialog} title=${t("help.title")} wide read onClose=${onClose}>
  <dl class="keys">
    ${bound.value.map(
      ({ key, also = [], back = [], label }) => html`<div key=${key}>
        <dt>${label}</dt>
        <dd>${[key, ...also, ...back].map((each) => html`<kbd key=${each}>${shown(each)}</kbd> `)}</dd>
      </div>`,
    )}
  </dl>
<//>`;

const ARROWS = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "Space" };
const shown = (key) => ARROWS[key] ?? key;

function Settings({ onClose }) {
  const [, changed] = useState(0);
  const set = (name) => (value) => {
    setDisplay(name, value);
    changed((count) => count + 1);
  };
  const setLanguage = (value) => {
    localStorage.setItem("language", value);
    speak(value).catch(() => toastProblem(new Problem("")));
  };
  return html`<${Dialog} title=${t("settings.title")} onClose=${onClose}>
    <div class="details">
      <${Field} label=${t("settings.language")} value=${language.value} onInput=${setLanguage} options=${Object.entries(LANGUAGES)} />
      <${Field} label=${t("settings.theme")} value=${theme()} onInput=${set("theme")} options=${THEMES.map((id) => [id, t(`theme.${id}`)])} />
      <${Field} label=${t("settings.density")} value=${density()} onInput=${set("density")} options=${DENSITIES.map((id) => [id, t(`density.${id}`)])} />
    </div>
  <//>`;
}
