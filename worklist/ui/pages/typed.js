/** Text typed into a search or a filter. */
import { useEffect, useRef, useState } from "../core/html.js";
import { adjust } from "../core/router.js";

const TYPING = 400; // milliseconds of rest before a search

/** Typed text is shown at once, and goes into the address when typing pauses or ends. A later change of the address is shown if it is not ours. */
export function useTyped(query, name) {
  const inAddress = query.get(name) ?? "";
  const [typed, setTyped] = useState(inAddress);
  const ours = useRef(inAddress);
  const timer = useRef(0);
  const latest = useRef(null);
  useEffect(() => {
    if (inAddress === ours.current) return;
    clearTimeout(timer.current);
    ours.current = inAddress;
    setTyped(inAddress);
  }, [inAddress]);
  const settle = () => {
    clearTimeout(timer.current);
    if (typed.trim() === ours.current) return;
    ours.current = typed.trim();
    adjust({ [name]: ours.current, study: "" });
  };
  latest.current = settle;
  const type = (value) => {
    setTyped(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => latest.current(), TYPING);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return [typed, type, settle];
}
