import { html, useState } from "../core/html.js";
import { ROOT } from "../core/api.js";
import { go, place } from "../core/router.js";
import { changePassword, ended, session, signIn } from "../core/session.js";
import { t } from "../core/strings.js";
import { Field } from "../kit/field.js";
import { explain } from "../kit/states.js";

const ICON = document.querySelector("link[rel=icon]").href;

/** Where the user came from, if that is on this server; not everything there is a page. */
function onward() {
  const next = new URL(place.value.query.get("next") ?? "/", location.origin);
  if (next.origin !== location.origin || !next.pathname.startsWith(`${ROOT}/`)) return go("/", {}, { replace: true });
  location.replace(next);
}

/** Runs a form's action: {busy, problem, submit}. */
function useSubmit(run) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await run();
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  return { busy, problem, submit };
}

const Form = ({ busy, problem, submit, action, wrong, children }) => html`<main class="signin">
  <form onSubmit=${submit}>
    <h1 class="brand"><img src=${ICON} alt="" />${t("app")}</h1>
    ${children}
    ${problem &&
    html`<div role="alert">
      <p class="fault">${problem.status === 401 ? t(wrong) : explain(problem)}</p>
      ${problem.correlationId && html`<small>${t("problem.id", { id: problem.correlationId })}</small>`}
    </div>`}
    <button class="button main" type="submit" disabled=${busy}>${busy ? t("signin.busy") : action}</button>
  </form>
</main>`;

export function SignIn() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const form = useSubmit(async () => {
    await signIn(email, password);
    if (!session.value.mustChange) onward();
  });
  if (session.value?.mustChange) return html`<${NewPassword} known=${password} />`;
  return html`<${Form} ...${form} action=${t("signin.title")} wrong="signin.wrong">
    ${ended.value && html`<p role="status">${t("signin.ended")}</p>`}
    <${Field} label=${t("signin.email")} type="email" autocomplete="username" required autofocus value=${email} onInput=${setEmail} />
    <${Field} label=${t("signin.password")} type="password" autocomplete="current-password" required value=${password} onInput=${setPassword} />
  <//>`;
}

/** The first sign-in, with a password that somebody else made. */
function NewPassword({ known }) {
  const [old, setOld] = useState(known);
  const [chosen, setChosen] = useState("");
  const form = useSubmit(async () => {
    await changePassword(old, chosen);
    onward();
  });
  return html`<${Form} ...${form} action=${t("signin.change")} wrong="signin.wrong">
    <p>${t("signin.once")}</p>
    ${!known &&
    html`<${Field} label=${t("signin.password")} type="password" autocomplete="current-password" required value=${old} onInput=${setOld} />`}
    <${Field} label=${t("signin.chosen")} type="password" autocomplete="new-password" required autofocus value=${chosen} onInput=${setChosen} />
  <//>`;
}
