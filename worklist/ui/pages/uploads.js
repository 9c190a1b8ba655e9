/** Uploading files, folders and archives, and what became of them. */
import { html, useEffect, useRef, useState } from "../core/html.js";
import { API, json } from "../core/api.js";
import { onChange } from "../core/events.js";
import { go as goTo, href } from "../core/router.js";
import { t } from "../core/strings.js";
import { cancel, chosen, dropped, go, send, sending } from "../core/uploading.js";
import { Button } from "../kit/button.js";
import { Icon } from "../kit/icon.js";
import { Failure, Skeleton } from "../kit/states.js";
import { Time } from "../kit/time.js";
import { Frame } from "./frame.js";

const SHOWN = 20;
const AGAIN = 1000; // milliseconds between polls while something is running
const LATER = 10_000;
const UNDER_WAY = new Set(["pending", "running"]);

export function Uploads() {
  useEffect(() => void (document.title = `${t("uploads.title")} · ${t("app")}`));
  return html`<${Frame} query="" onQuery=${(q) => goTo("/", { q })}>
    <div class="uploads">
      <h1>${t("uploads.title")}</h1>
      <${Drop} />
      <${Sending} />
      <${Tasks} />
    </div>
  <//>`;
}

function Drop() {
  const [over, setOver] = useState(false);
  const files = useRef(null);
  const folder = useRef(null);
  const hovers = (event) => {
    event.preventDefault();
    setOver(true);
  };
  const drop = async (event) => {
    event.preventDefault();
    setOver(false);
    await send(await dropped(event.dataTransfer));
  };
  const choose = async ({ target }) => {
    const found = chosen(target.files);
    target.value = "";
    await send(found);
  };
  return html`<div class=${`drop ${over ? "over" : ""}`} onDragOver=${hovers} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <${Icon} name="upload" />
    <p>${t("uploads.drop")}</p>
    <small>${t("uploads.hint")}</small>
    <div class="choose">
      <${Button} kind="main" label=${t("uploads.files")} onClick=${() => files.current.click()} />
      <${Button} kind="quiet" label=${t("uploads.folder")} onClick=${() => folder.current.click()} />
    </div>
    <input ref=${files} type="file" multiple hidden aria-label=${t("uploads.files")} onChange=${choose} />
    <input ref=${folder} type="file" webkitdirectory hidden aria-label=${t("uploads.folder")} onChange=${choose} />
  </div>`;
}

function Sending() {
  const { total, sent, skipped, problem } = sending.value;
  return html`
    ${total > 0 &&
    html`<div class="sending">
      <p role="status">${t("uploads.sending", { sent, total })}</p>
      <${Button} kind="quiet" icon="x-lg" label=${t("cancel")} onClick=${cancel} />
      <progress max=${total} value=${sent || undefined} aria-label=${t("uploads.title")}></progress>
    </div>`}
    ${skipped > 0 && html`<p class="dim">${t("uploads.skipped", { count: skipped })}</p>`}
    ${problem && html`<${Failure} problem=${problem} onRetry=${go} />`}
  `;
}

/** Polled, more often while something is running. */
function useTasks() {
  const [state, setState] = useState({});
  useEffect(() => onChange(() => {}), []); // the frame shows whether the server is reachable
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const look = async () => {
      try {
        const { items } = await json(`${API}/tasks?limit=${SHOWN}`, { signal: abort.signal });
        setState({ items });
        const busy = sending.value.total || items.some(({ status }) => UNDER_WAY.has(status));
        timer = setTimeout(look, busy ? AGAIN : LATER);
      } catch (problem) {
        if (problem.aborted) return;
        setState((old) => ({ ...old, problem }));
        timer = setTimeout(look, LATER);
      }
    };
    look();
    return () => (clearTimeout(timer), abort.abort());
  }, [sending.value.total > 0]);
  return state;
}

function Tasks() {
  const { items, problem } = useTasks();
  const failed = problem && html`<${Failure} problem=${problem} />`;
  if (!items) return failed ?? html`<${Skeleton} rows=${4} />`;
  return html`${failed}<section aria-label=${t("uploads.tasks")}>
    <h2>${t("uploads.tasks")}</h2>
    ${!items.length && html`<p class="dim">${t("uploads.none")}</p>`}
    ${items.map((task) => html`<${Task} key=${task.id} task=${task} />`)}
  </section>`;
}

/** Says "done" only if everything was. */
function outcomeOf({ status, failed_items: failed, processed_items: processed }) {
  if (status !== "completed" || !failed) return status;
  return processed ? "partly" : "failed";
}

function Task({ task }) {
  const outcome = outcomeOf(task);
  const study = task.processed_items > 0 && task.study_instance_uid;
  const words = [
    t("task.counts", { processed: task.processed_items, total: task.total_items }),
    task.skipped_items > 0 && t("task.skipped", { count: task.skipped_items }),
  ].filter(Boolean);
  return html`<article class="task">
    <p><b>${t(`task.${task.kind}`)}</b> <${Time} class="dim" at=${task.created_at} /></p>
    <p class=${`outcome ${outcome}`}>${t(`task.${outcome}`)}</p>
    ${UNDER_WAY.has(task.status) && html`<progress max="100" value=${task.progress} aria-label=${t(`task.${task.kind}`)}></progress>`}
    <p class="dim">${words.join(" · ")}${study && html` · <a href=${href("/view", { StudyInstanceUIDs: study })} data-page>${t("studies.open")}</a>`}</p>
    ${task.failed.length > 0 &&
    html`<details>
      <summary>${t("task.failures", { count: task.failed_items })}</summary>
      <ul>${task.failed.map(({ name, message }, index) => html`<li key=${index}><b>${name}</b> ${message}</li>`)}</ul>
    </details>`}
  </article>`;
}
