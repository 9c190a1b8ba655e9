/** How many columns a list shows, given the space that the rail and an open pane leave. */
import { useEffect, useState } from "../core/html.js";

const AROUND = 64; // pixels that the rail takes
const PANE = 360;

/** "narrow", "half", "most" or "all". */
export function useRoom(pane) {
  const [width, setWidth] = useState(innerWidth);
  useEffect(() => {
    const changed = () => setWidth(innerWidth);
    addEventListener("resize", changed);
    return () => removeEventListener("resize", changed);
  }, []);
  if (width < 720) return "narrow";
  const left = width - AROUND - (pane ? PANE : 0);
  return left < 720 ? "half" : left < 1160 ? "most" : "all";
}
