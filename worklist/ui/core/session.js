/** Who is signed in: shared by every page, and one of the two things that are. */
import { computed, signal } from "./html.js";
import { API, json, post, request, useCsrf, whenSignedOut } from "./api.js";
import { go, place } from "./router.js";

export const session = signal(null);
export const rights = computed(() => new Set(session.value?.rights ?? []));

/** `rights` and the name, in whichever of its places the server puts them. */
function taken(answer) {
  const user = answer.user ?? answer;
  useCsrf(answer.csrf_token ?? answer.csrfToken);
  return {
    name: user.name || user.email || answer.name || "",
    email: user.email ?? "",
    role: user.role ?? answer.role ?? "",
    organization: user.organization?.name ?? user.organization ?? answer.organization?.name ?? answer.organization ?? "",
    rights: answer.rights ?? user.rights ?? [],
    open: Boolean(answer.open),
  };
}

whenSignedOut(() => {
  session.value = null;
  if (place.value.path === "/signin") return;
  const next = location.pathname + location.search;
  go("/signin", next === "/" ? {} : { next }, { replace: true });
});

/** True when somebody is signed in, or nobody needs to be. */
export async function resume() {
  try {
    session.value = taken(await json(`${API}/auth/me`));
  } catch (problem) {
    if (problem.status === 401) return false;
    throw problem;
  }
  return true;
}

export async function signIn(email, password) {
  const answer = await post(`${API}/auth/login`, { email, password }, { quiet: true });
  session.value = taken(answer ?? {});
  await resume();
}

export async function signOut() {
  await request(`${API}/auth/logout`, { method: "POST" });
  session.value = null;
  useCsrf("");
  go("/signin", {}, { replace: true });
}
