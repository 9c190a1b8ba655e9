import { html, useState } from "../core/html.js";
import { ROOT } from "../core/api.js";
import { go, place } from "../core/router.js";
import { signIn } from "../core/session.js";
import { t } from "../core/strings.js";
import { Field } from "../kit/field.js";
import { explain } from "../kit/states.js";

const ICON = document.querySelector("link[rel=icon]").href;

/** Where one came from, if that is a page of ours. */
function onward() {
  const next = new URL(place.value.query.get("next") ?? "/", location.origin);
  if (next.origin !== location.origin || !next.pathname.startsWith(`${ROOT}/`)) return go("/", {}, { replace: true });
  go(next.pathname.slice(ROOT.length), next.searchParams, { replace: true });
}

export function SignIn() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await signIn(email, password);
      onward();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return html`<main class="signin">
    <form onSubmit=${submit}>
      <h1 class="brand"><img src=${ICON} alt="" />${t("app")}</h1>
      <${Field} label=${t("signin.email")} type="email" autocomplete="username" required autofocus value=${email} onInput=${setEmail} />
      <${Field} label=${t("signin.password")} type="password" autocomplete="current-password" required value=${password} onInput=${setPassword} />
      ${problem && html`<div role="alert">
        <p class="fault">${problem.status === 401 ? t("signin.wrong") : explain(problem)}</p>
        ${problem.correlationId && html`<small>${t("problem.id", { id: problem.correlationId })}</small>`}
      </div>`}
      <button class="button main" type="submit" disabled=${busy}>${busy ? t("signin.busy") : t("signin.title")}</button>
    </form>
  </main>`;
}
