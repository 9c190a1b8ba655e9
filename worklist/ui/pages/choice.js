/** The selected study: the address names it, and keys move on even to rows that have not loaded yet. */
import { search } from "../core/api.js";
import { useEffect, useLayoutEffect, useState } from "../core/html.js";
import { adjust } from "../core/router.js";
import { text } from "../dicom/dataset.js";
import { FIELDS } from "./studylist.js";

const uidOf = (study) => text(study, "StudyInstanceUID");

/**
 * `list`: undefined before the first has loaded; `isOld`: it is not the one `asked` for last.
 * {at, study, row, choose}: `at` is its place, -1 if unknown; `study` is undefined while only the place is known.
 */
export function useChoice({ list, isOld, asked, uid }) {
  const [led, setLed] = useState(null); // to the place of a row that is still loading
  const waits = led?.asked === asked;
  const found = list && !waits ? list.indexOf(uid) : -1;
  const known = useStudy(list, isOld, uid, found >= 0 ? list.row(found) : undefined);
  const ahead = waits ? Math.min(led.index, Math.max(0, (list?.total.value ?? Infinity) - 1)) : -1;
  /** A key meant for the next list must not open a row of the last one. */
  const row = waits && isOld ? () => undefined : (index) => list?.row(index);
  const choose = (index) => {
    const study = isOld ? undefined : list?.row(index);
    setLed(study ? null : { asked, index });
    adjust({ study: study ? uidOf(study) : "" });
  };
  // at once, before the next key: that goes on from here
  useLayoutEffect(() => {
    if (!waits || !list || isOld) return;
    if (!list.total.value) setLed(null);
    else if (list.row(ahead)) choose(ahead);
    else list.need(ahead, ahead + 1);
  });
  return { at: waits ? ahead : found, study: waits ? undefined : known, row, choose };
}

/** The study that the address names, even if its row has not loaded. */
function useStudy(list, isOld, uid, row) {
  const [kept, setKept] = useState(undefined);
  useEffect(() => {
    if (row) return setKept(row);
    if (!uid || !list || isOld) return undefined;
    const abort = new AbortController();
    search("studies", { StudyInstanceUID: uid, includefield: FIELDS.join(",") }, { signal: abort.signal }).then(
      ({ items }) => setKept(items[0]),
      () => {}, // the list tells what is wrong
    );
    return () => abort.abort();
  }, [list, isOld, uid, row]);
  return row ?? (uid && kept && uidOf(kept) === uid ? kept : undefined);
}
