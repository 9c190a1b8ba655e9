/** Something loaded once, and kept while it is shown. */
import { useEffect, useState } from "../core/html.js";

/** `load(signal)` gives {blob, …} or {url, …}: then that, with the URL of the blob for as long as it is shown; or {problem}. */
export function useContent(load) {
  const [state, setState] = useState({});
  useEffect(() => {
    const abort = new AbortController();
    let made = "";
    load(abort.signal).then(
      ({ blob, ...rest }) => {
        if (abort.signal.aborted) return;
        if (blob) made = URL.createObjectURL(blob);
        setState({ url: made, ...rest });
      },
      (problem) => problem.aborted || setState({ problem }),
    );
    return () => {
      abort.abort();
      URL.revokeObjectURL(made);
    };
  }, []);
  return state;
}
