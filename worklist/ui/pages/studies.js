/** The list of studies: search, filters and the selected row are in the address; the rows are live. */
import { html, useEffect, useMemo, useRef, useState } from "../core/html.js";
import { onChange } from "../core/events.js";
import { clock, day, personName } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import { OHIF, adjust, openImages } from "../core/router.js";
import { rights } from "../core/session.js";
import { number as shownNumber, t } from "../core/strings.js";
import { first, number, text, values } from "../dicom/dataset.js";
import { Badge } from "../kit/badge.js";
import { Button } from "../kit/button.js";
import { copy } from "../kit/copy.js";
import { Field } from "../kit/field.js";
import { SplitPane } from "../kit/split.js";
import { EmptyState, Failure, Skeleton } from "../kit/states.js";
import { Table } from "../kit/table.js";
import { toast } from "../kit/toast.js";
import { useChoice } from "./choice.js";
import { DeleteDialog } from "./deletedialog.js";
import { Details } from "./details.js";
import { FlagMark } from "./flags.js";
import { Frame } from "./frame.js";
import { useRoom } from "./room.js";
import { StudyList, nextOrder, orderOf } from "./studylist.js";
import { useTyped } from "./typed.js";

const SETTLING = 1000; // milliseconds in which events are gathered into one refresh
const MODALITIES = [
  ...["CR", "CT", "DX", "ECG", "ES", "IVUS", "KO", "MG", "MR", "NM", "OCT", "OP", "OT", "PR", "PT", "PX", "RF"],
  ...["RTDOSE", "RTIMAGE", "RTPLAN", "RTSTRUCT", "SEG", "SM", "SR", "US", "XA", "XC"],
];
const FILTERS = ["q", "date", "from", "to", "modality", "description", "accession"];

const uidOf = (study) => text(study, "StudyInstanceUID");
/** The viewer returns to the list as it is now. */
function openStudy(study, how) {
  sessionStorage.setItem("list", location.search);
  openImages({ StudyInstanceUIDs: uidOf(study) }, how);
}

function columns(room) {
  const all = [
    { id: "patient", sorts: true, title: t("col.patient"), width: "minmax(120px, 2fr)", cell: (study) => html`<${FlagMark} study=${study} />${personName(first(study, "PatientName"))}` },
    { id: "id", sorts: true, title: t("col.id"), width: "minmax(90px, 1fr)", cell: (study) => text(study, "PatientID") },
    { id: "birth", title: t("col.birth"), width: "96px", cell: (study) => html`<span class="dim">${day(text(study, "PatientBirthDate"))}</span>` },
    { id: "date", sorts: true, title: t("col.date"), width: "140px", cell: (study) => html`${day(text(study, "StudyDate"))} <span class="dim">${clock(text(study, "StudyTime"))}</span>` },
    { id: "modality", title: t("col.modality"), width: "96px", cell: (study) => values(study, "ModalitiesInStudy").filter(Boolean).map((each) => html`<${Badge} key=${each} text=${each} />`) },
    { id: "description", sorts: true, title: t("col.description"), width: "minmax(140px, 2fr)", cell: (study) => text(study, "StudyDescription") },
    { id: "accession", sorts: true, title: t("col.accession"), width: "minmax(80px, 1fr)", cell: (study) => text(study, "AccessionNumber") },
    { id: "series", title: t("col.series"), width: "48px", end: true, cell: (study) => shownNumber(number(study, "NumberOfStudyRelatedSeries", 0)) },
    { id: "images", title: t("col.images"), width: "64px", end: true, cell: (study) => shownNumber(number(study, "NumberOfStudyRelatedInstances", 0)) },
  ];
  return all.filter(({ id }) => !LEFT_OUT[room].includes(id));
}

/** The columns that a narrow list does without. */
const LEFT_OUT = {
  narrow: ["id", "birth", "description", "accession", "series", "images"],
  half: ["birth", "description", "accession", "series"],
  most: ["birth", "accession", "series"],
  all: [],
};
/** The list for these filters. While a new one loads, or if that fails, the old rows stay. */
function useList(query) {
  const asked = [...FILTERS, "sort"].map((name) => query.get(name) ?? "").join("\n");
  const [shown, setShown] = useState(null);
  const [turn, setTurn] = useState(0);
  const known = useRef({ asked: null, uids: new Set() });
  const [fresh, setFresh] = useState(new Set());
  const refresh = () => setTurn((count) => count + 1);
  const isOld = Boolean(shown) && shown.asked !== asked;
  const loading = useRef(false);
  useEffect(() => {
    loading.current = true;
    const list = new StudyList(query, shown && !isOld ? shown.list.pagesInUse(shown.list.indexOf(query.get("study"))) : []);
    let gone = false;
    list.ready.then(() => {
      if (gone) return;
      loading.current = false;
      const problem = list.problem.value;
      setShown((old) => (problem && old?.asked === asked ? { ...old, problem } : { list, asked, problem }));
      if (!problem) noteNew(list, asked, known, setFresh);
    });
    return () => {
      gone = true;
      list.stop();
    };
  }, [asked, turn]);
  return { list: shown?.list, of: shown?.asked, isOld, asked, problem: shown?.problem ?? shown?.list.problem.value, fresh, refresh, loading };
}

function noteNew(list, asked, known, setFresh) {
  const uids = Array.from({ length: 100 }, (_, index) => list.row(index)).filter(Boolean).map(uidOf);
  const before = known.current;
  known.current = { asked, uids: new Set(uids) };
  if (before.asked !== asked) return;
  const arrived = uids.filter((uid) => !before.uids.has(uid));
  if (arrived.length && before.uids.size === 0) toast(t("studies.arrived"));
  setFresh((old) => new Set([...old, ...arrived]));
}

/** An event never breaks off what is `loading`: with a slow network and a busy archive, nothing would ever arrive. */
function useLive(refresh, loading) {
  useEffect(() => {
    let timer = 0;
    const renew = () => {
      timer = loading.current ? setTimeout(renew, SETTLING) : 0;
      if (!timer) refresh();
    };
    const stop = onChange(() => (timer ||= setTimeout(renew, SETTLING)));
    return () => (clearTimeout(timer), stop());
  }, []);
}

export function Studies({ query }) {
  const [words, type, settle] = useTyped(query, "q");
  const { list, of, isOld, asked, problem, fresh, refresh, loading } = useList(query);
  useLive(refresh, loading);
  list?.version.value;
  const total = list?.total.value ?? null;
  const { at, study, row, choose } = useChoice({ list, isOld, asked, uid: query.get("study") });
  const open = (index) => row(index) && openStudy(row(index));
  const filtered = FILTERS.some((name) => query.get(name));
  const [doomed, setDoomed] = useState(null);
  const doom = study && rights.value.has("delete") ? () => setDoomed(study) : undefined;
  const room = useRoom(Boolean(study));
  const table = useMemo(() => columns(room), [room, t("col.patient")]);

  useEffect(() => {
    if (list && total && document.activeElement === document.body) document.querySelector("[role=grid]")?.focus();
  }, [list]);
  useEffect(() => {
    if (at < 0) document.querySelector("[role=grid]")?.scrollTo({ top: 0 });
  }, [of]);
  useEffect(() => void (document.title = `${t("studies.title")} · ${t("app")}`));
  const move = (step) => () => {
    document.querySelector("[role=grid]")?.focus();
    choose(at < 0 ? 0 : Math.max(0, Math.min((total ?? Infinity) - 1, at + step)));
  };
  useKeys([
    { key: "ArrowDown", also: ["j"], back: ["ArrowUp", "k"], label: t("key.move"), run: move(1) },
    { key: "ArrowUp", also: ["k"], run: move(-1) },
    { key: "Enter", label: t("key.open"), run: () => (study ? openStudy(study) : false) },
    ...(OHIF ? [{ key: "v", label: t("studies.builtin"), run: () => (study ? openStudy(study, { builtIn: true }) : false) }] : []),
    { key: "p", label: t("key.details"), run: () => (study ? adjust({ study: "" }) : total && choose(0)) },
    { key: "r", label: t("key.refresh"), run: refresh },
    ...(rights.value.has("delete") ? [{ key: "Delete", label: t("studies.delete"), run: () => (doom ? doom() : false) }] : []),
    { key: "Escape", run: () => adjust({ study: "" }) },
  ]);

  const called = study && personName(first(study, "PatientName"));
  const actions = [
    study && { label: `${t("studies.open")}: ${called}`, icon: "images", keys: "Enter", run: () => openStudy(study) },
    doom && { label: `${t("studies.delete")}: ${called}`, icon: "trash", keys: "Delete", run: doom },
  ].filter(Boolean);
  const deleted = () => {
    setDoomed(null);
    adjust({ study: "" });
    refresh();
  };
  const side = study && html`<${Details} key=${uidOf(study)} study=${study} onOpen=${(how) => openStudy(study, how)} onDelete=${doom} onClose=${() => adjust({ study: "" })} />`;
  return html`<${Frame} query=${words} onQuery=${type} onSettle=${settle} actions=${actions}>
    <h1 class="unseen">${t("studies.title")}</h1>
    <${Filters} query=${query} list=${list} total=${total} onRefresh=${refresh} />
    ${problem && html`<${Failure} problem=${problem} onRetry=${refresh} />`}
    ${list?.isAlike && html`<p class="alike" role="status">${t("studies.alike", { words: list.query.get("q") })}</p>`}
    <${SplitPane} name="studies" side=${side}>
      ${total === null && !problem && html`<${Skeleton} rows=${16} />`}
      ${total === 0 && (filtered ? html`<${NoMatch} />` : html`<${FirstImage} />`)}
      ${total > 0 &&
      html`<${Table}
        label=${t("studies.title")}
        columns=${table}
        total=${total}
        row=${row}
        chosen=${at}
        onChoose=${choose}
        onOpen=${open}
        onNeed=${list.need}
        rowClass=${(row) => (fresh.has(uidOf(row)) ? "fresh" : "")}
        sorted=${orderOf(query)}
        onSort=${(id) => adjust({ sort: nextOrder(query, id) })}
      />`}
    <//>
    ${doomed && html`<${DeleteDialog} study=${doomed} onDeleted=${deleted} onClose=${() => setDoomed(null)} />`}
  <//>`;
}

function Filters({ query, list, total, onRefresh }) {
  const [description, typeDescription, settleDescription] = useTyped(query, "description");
  const [accession, typeAccession, settleAccession] = useTyped(query, "accession");
  const pick = (name) => (value) => adjust({ [name]: value, study: "" });
  const pickDate = (value) => adjust({ date: value, from: "", to: "", study: "" });
  const dates = [["", t("filter.any")], ...["today", "week", "month", "year", "between"].map((id) => [id, t(`filter.${id}`)])];
  const modalities = [["", t("filter.all")], ...MODALITIES.map((each) => [each, each])];
  const filtered = FILTERS.some((name) => query.get(name));
  return html`<div class="filters">
    <${Field} id="filter-date" label=${t("filter.date")} value=${query.get("date") ?? ""} onInput=${pickDate} options=${dates} />
    ${query.get("date") === "between" &&
    ["from", "to"].map(
      (end) => html`<${Field} key=${end} id=${`filter-${end}`} type="date" label=${t(`filter.${end}`)} value=${query.get(end) ?? ""} onInput=${pick(end)} />`,
    )}
    <${Field} id="filter-modality" label=${t("filter.modality")} value=${query.get("modality") ?? ""} onInput=${pick("modality")} options=${modalities} />
    <div class="wide-only">
      <${Field} id="filter-description" label=${t("filter.description")} value=${description} onInput=${typeDescription} onBlur=${settleDescription} />
      <${Field} id="filter-accession" label=${t("filter.accession")} value=${accession} onInput=${typeAccession} onBlur=${settleAccession} />
    </div>
    ${filtered &&
    html`<${Button} icon="x-lg" label=${t("studies.clear")} onClick=${() => adjust(Object.fromEntries([...FILTERS, "study"].map((name) => [name, ""])))} />`}
    <span class="count" role="status">
      ${total !== null && t(list.more.value ? "studies.found.more" : "studies.found", { count: total })}
    </span>
    <${Button} bare icon="arrow-clockwise" label=${t("studies.refresh")} keys="r" onClick=${onRefresh} />
  </div>`;
}

const NoMatch = () => html`<${EmptyState} icon="search" title=${t("studies.none")}><p>${t("studies.none.hint")}</p><//>`;

const [, PORT, TITLE] = /^(\d+) (.*)$/.exec(document.querySelector("meta[name=dicom]").content);
/** Quoted as one word for a shell. */
const quoted = (word) => (/^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** What to do with a new archive, and a light that turns on once it is done. */
function FirstImage() {
  const line = `storescu -aec ${quoted(TITLE)} +sd +r ${location.hostname} ${PORT} path/to/images`;
  return html`<${EmptyState} icon="hdd-network" title=${t("studies.first")}>
    <p>${t("studies.first.hint")}</p>
    <div class="shell"><code>${line}</code><${Button} bare icon="copy" label=${t("copy")} onClick=${() => copy(line)} /></div>
    <p>${t("studies.first.or")}</p>
    <p class="pulse">${t("studies.first.waiting")}</p>
  <//>`;
}
