/** Who is signed in, shared by all pages. */
import { computed, signal } from "./html.js";
import { API, abandon, json, post, request, useCsrf, whenSignedOut } from "./api.js";
import { close, reopen } from "./events.js";
import { go, place } from "./router.js";

export const session = signal(null);
/** Whether the server ended the session. */
export const ended = signal(false);
export const rights = computed(() => new Set(session.value?.rights ?? []));

/** The answer of signing in and of `auth/me`. With `open`, nobody signs in. */
function taken({ user, csrf_token: csrf, rights: granted = [], open = false, ...rest }) {
  const { name, email, organization, must_change_password: mustChange } = user ?? rest;
  useCsrf(csrf);
  ended.value = false;
  return { name, email, organization, open, rights: granted, mustChange: Boolean(mustChange) };
}

whenSignedOut(() => {
  close();
  ended.value ||= session.value !== null;
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
  session.value = taken(answer);
}

/** Ends all other sessions, and the one-time password. */
export async function changePassword(old, chosen) {
  await post(`${API}/auth/password`, { old_password: old, new_password: chosen }, { quiet: true });
  await resume();
}

export async function signOut() {
  abandon();
  close();
  try {
    await request(`${API}/auth/logout`, { method: "POST" });
  } catch (problem) {
    reopen();
    throw problem;
  }
  session.value = null;
  useCsrf("");
  go("/signin", {}, { replace: true });
}
