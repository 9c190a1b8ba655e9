/** Deleting and restoring studies: whoever deletes one can undo it at once. */
import { API, json, request } from "../core/api.js";
import { when } from "../core/format.js";
import { openImages } from "../core/router.js";
import { t } from "../core/strings.js";
import { toast, toastProblem } from "../kit/toast.js";

const AGAIN = 500; // milliseconds between looks at a task

/** `name`: what messages call the study. Throws a Problem if it was not deleted. */
export async function deleteStudy(study, name, reason) {
  const answer = await request(`${API}/studies/${study}`, {
    method: "DELETE",
    body: JSON.stringify({ reason }),
    headers: { "Content-Type": "application/json" },
  });
  const asked = json(`${API}/deletions/${answer.headers.get("Location").split("/").pop()}`);
  const deletion = await asked.catch(() => ({})); // it is deleted all the same; only the offer to undo is missing
  const { id: about, can_be_restored: kept } = deletion;
  toast(t("deletions.done", { name }), {
    about,
    detail: kept ? t("deletions.done.until", { until: when(deletion.kept_until) }) : "",
    action: kept && { label: t("undo"), keys: "Ctrl+z", run: () => restore(deletion, name) },
  });
}

/** Waits until it is restored or has failed, and reports either. */
export async function restore(deletion, name) {
  const about = deletion.id;
  try {
    const begun = await json(`${API}/deletions/${deletion.id}/restore`, { method: "POST" });
    const task = await finished(begun.task_id);
    if (task.status === "failed" || task.failed_items) {
      const [why = task.message] = task.errors;
      return toast(t("deletions.partly", { name, count: task.failed_items }), { about, kind: "error", detail: why });
    }
    const open = () => openImages({ StudyInstanceUIDs: deletion.study_instance_uid });
    toast(t("deletions.restored", { name }), { about, action: { label: t("studies.open"), run: open } });
  } catch (problem) {
    toastProblem(problem, { about });
  }
}

async function finished(id) {
  for (;;) {
    const task = await json(`${API}/tasks/${id}`);
    if (task.status !== "pending" && task.status !== "running") return task;
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}
