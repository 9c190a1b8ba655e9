/** The address alone says where we are: a link reproduces the view. */
import { signal } from "./html.js";
import { ROOT } from "./api.js";

const read = () => ({
  path: location.pathname.slice(ROOT.length) || "/",
  query: new URLSearchParams(location.search),
});

export const place = signal(read());

export function href(path, query) {
  const text = new URLSearchParams(query ?? {}).toString();
  return ROOT + path + (text ? `?${text}` : "");
}

export function go(path, query, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", href(path, query));
  place.value = read();
}

/** Changes some parameters of the current page; empty ones are removed. */
export function adjust(changes) {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) query.delete(name);
    else query.set(name, value);
  }
  go(place.value.path, query, { replace: true });
}

/** Opens images, in OHIF if it is installed, unless the built-in viewer is requested. */
export function openImages(query, { builtIn = false } = {}) {
  if (OHIF && !builtIn) location.assign(href("/viewer", query));
  else go("/view", query);
}

export const OHIF = document.querySelector("meta[name=viewer]")?.content === "ohif";

addEventListener("popstate", () => (place.value = read()));

addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-page]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const url = new URL(link.href);
  go(url.pathname.slice(ROOT.length) || "/", url.searchParams);
});
