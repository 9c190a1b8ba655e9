/** What was deleted and can still be restored: whose it was, who deleted it, why, and until when. */
import { html, useEffect, useState } from "../core/html.js";
import { API, json } from "../core/api.js";
import { onChange } from "../core/events.js";
import { day, from, personName } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import { Paged } from "../core/paged.js";
import { adjust, go } from "../core/router.js";
import { rights } from "../core/session.js";
import { t } from "../core/strings.js";
import { Badge } from "../kit/badge.js";
import { Button } from "../kit/button.js";
import { SplitPane } from "../kit/split.js";
import { EmptyState, Failure, Skeleton } from "../kit/states.js";
import { Table } from "../kit/table.js";
import { Time } from "../kit/time.js";
import { restore } from "./deleting.js";
import { Frame } from "./frame.js";
import { useRoom } from "./room.js";

const SOON = 3 * 86_400_000; // milliseconds

class DeletionList extends Paged {
  constructor() {
    super();
    this.ready = this.fetch(0).catch((problem) => this.fail(problem));
  }

  load = (page, options) => json(`${API}/deletions?${new URLSearchParams({ ...page, can_be_restored: true })}`, options);
}

/** Whose it was, or its UID if unnamed. */
const nameOf = ({ patient, study_instance_uid: uid }) => (patient.name || patient.id ? personName(patient.name) : uid);
const whatOf = ({ sop_instance_uid: image, images }) =>
  image ? t("deletions.image") : t("deletions.study", { images: t("count.images", { count: images }) });
const isSoon = ({ kept_until: until }) => new Date(until) - Date.now() < SOON;

function columns(room, back) {
  const restore = (each) => (event) => {
    event.stopPropagation();
    back(each);
  };
  const all = [
    { id: "patient", title: t("col.patient"), width: "minmax(96px, 2fr)", cell: nameOf },
    { id: "id", title: t("col.id"), width: "minmax(80px, 1fr)", cell: ({ patient }) => patient.id },
    { id: "date", title: t("col.date"), width: "104px", cell: (each) => day(each.study_date) },
    { id: "modality", title: t("col.modality"), width: "96px", cell: ({ modalities }) => modalities.map((each) => html`<${Badge} key=${each} text=${each} />`) },
    { id: "what", title: t("deletions.what"), width: "minmax(120px, 1fr)", cell: whatOf },
    { id: "reason", title: t("deletions.reason"), width: "minmax(64px, 2fr)", cell: ({ reason }) => reason },
    { id: "by", title: t("deletions.by"), width: "minmax(96px, 1fr)", cell: (each) => html`<span class="dim">${each.deleted_by}</span>` },
    { id: "at", title: t("deletions.at"), width: "156px", cell: (each) => html`<${Time} class="dim" at=${each.deleted_at} />` },
    { id: "until", title: t("deletions.until"), width: "88px", cell: (each) => html`<${Time} class=${isSoon(each) ? "soon" : "dim"} at=${each.kept_until} text=${from(each.kept_until)} />` },
    { id: "restore", title: html`<span class="unseen">${t("deletions.restore")}</span>`, width: "32px", cell: (each) => html`<${Button} bare icon="arrow-counterclockwise" label=${t("deletions.restore")} keys="Enter" tabindex=${-1} onClick=${restore(each)} onDblClick=${(event) => event.stopPropagation()} />` },
  ];
  return all.filter(({ id }) => !LEFT_OUT[room].includes(id));
}

const LEFT_OUT = {
  narrow: ["id", "date", "modality", "what", "by", "at"],
  half: ["id", "date", "by", "at"],
  most: ["id", "date", "at"],
  all: [],
};

function useDeletions() {
  const [shown, setShown] = useState({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const found = new DeletionList();
    let gone = false;
    found.ready.then(() => {
      const problem = found.problem.value;
      if (!gone) setShown((old) => (problem && old.list ? { ...old, problem } : { list: found, problem }));
    });
    return () => {
      gone = true;
      found.stop();
    };
  }, [turn]);
  const refresh = () => setTurn((count) => count + 1);
  useEffect(() => onChange((event) => (!event || event.type.endsWith(".deleted")) && refresh()), []);
  return { list: shown.list, problem: shown.problem ?? shown.list?.problem.value, refresh };
}

export function Deletions(props) {
  useEffect(() => void (document.title = `${t("deletions.title")} · ${t("app")}`));
  return html`<${Frame} query="" onQuery=${(q) => go("/", { q })}>
    <h1 class="unseen">${t("deletions.title")}</h1>
    ${rights.value.has("delete")
      ? html`<${Kept} ...${props} />`
      : html`<${EmptyState} icon="lock" title=${t("deletions.notYours")}><p>${t("deletions.notYours.hint")}</p><//>`}
  <//>`;
}

function Kept({ query }) {
  const { list, problem, refresh } = useDeletions();
  const [coming, setComing] = useState(new Set());
  list?.version.value;
  const total = list?.total.value ?? null;
  const chosen = list ? list.find(({ id }) => id === query.get("deletion")) : -1;
  const one = chosen >= 0 ? list.row(chosen) : undefined;
  const room = useRoom(Boolean(one));
  const choose = (index) => list?.row(index) && adjust({ deletion: list.row(index).id });
  const close = () => adjust({ deletion: "" });
  const back = async (each) => {
    if (!each || coming.has(each.id)) return;
    setComing((ids) => new Set([...ids, each.id]));
    await restore(each, nameOf(each));
    setComing((ids) => new Set([...ids].filter((id) => id !== each.id)));
    refresh();
  };
  useEffect(() => {
    if (total && document.activeElement === document.body) document.querySelector("[role=grid]")?.focus();
  }, [list]);
  useKeys([
    { key: "ArrowDown", also: ["j"], back: ["ArrowUp", "k"], label: t("key.move"), run: () => intoTable(choose, chosen) },
    { key: "ArrowUp", also: ["k"], run: () => intoTable(choose, chosen) },
    { key: "Enter", label: t("deletions.restore"), run: () => (one ? void back(one) : false) },
    { key: "r", label: t("key.refresh"), run: refresh },
    { key: "Escape", run: close },
  ]);
  const side = one && html`<${Deleted} key=${one.id} deletion=${one} busy=${coming.has(one.id)} onRestore=${() => back(one)} onClose=${close} />`;
  const table = columns(room, back);
  return html`
    <div class="filters">
      <p class="lead">${t("deletions.lead")}</p>
      <span class="count" role="status">${total !== null && t(list.more.value ? "deletions.count.more" : "deletions.count", { count: total })}</span>
      <${Button} bare icon="arrow-clockwise" label=${t("key.refresh")} keys="r" onClick=${refresh} />
    </div>
    ${problem && html`<${Failure} problem=${problem} onRetry=${refresh} />`}
    <${SplitPane} name="deletions" side=${side}>
      ${total === null && !problem && html`<${Skeleton} rows=${8} />`}
      ${total === 0 && html`<${EmptyState} icon="trash" title=${t("deletions.none")}><p>${t("deletions.none.hint")}</p><//>`}
      ${total > 0 &&
      html`<${Table}
        label=${t("deletions.title")}
        columns=${table}
        total=${total}
        row=${list.row}
        chosen=${chosen}
        onChoose=${choose}
        onOpen=${(index) => back(list.row(index))}
        onNeed=${list.need}
        rowClass=${({ id }) => (coming.has(id) ? "coming" : "")}
      />`}
    <//>
  `;
}

function intoTable(choose, chosen) {
  document.querySelector("[role=grid]")?.focus();
  choose(Math.max(chosen, 0));
}

function Deleted({ deletion, busy, onRestore, onClose }) {
  const facts = [
    [t("col.id"), deletion.patient.id],
    [t("col.date"), day(deletion.study_date)],
    [t("col.accession"), deletion.accession_number],
    [t("deletions.what"), whatOf(deletion)],
    [t("deletions.reason"), deletion.reason],
    [t("deletions.by"), deletion.deleted_by],
    [t("deletions.at"), html`<${Time} at=${deletion.deleted_at} />`],
    [t("deletions.until"), html`<${Time} at=${deletion.kept_until} /> (${from(deletion.kept_until)})`],
  ].filter(([, value]) => value);
  return html`<section class="details" aria-label=${t("studies.details")}>
    <header>
      <div><h2>${nameOf(deletion)}</h2><small>${deletion.description}</small></div>
      <${Button} bare icon="x-lg" label=${t("close")} keys="Escape" onClick=${onClose} />
    </header>
    <div class="actions">
      <${Button} kind="main" icon="arrow-counterclockwise" label=${t("deletions.restore")} keys="Enter" disabled=${busy} onClick=${onRestore} />
    </div>
    <dl class="facts">
      ${facts.map(([label, value]) => html`<dt key=${label}>${label}</dt><dd>${value}</dd>`)}
      <dt>${t("field.uid")}</dt><dd class="uid">${deletion.study_instance_uid}</dd>
    </dl>
  </section>`;
}
