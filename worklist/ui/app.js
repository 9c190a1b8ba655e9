/** The application: who is signed in, which page the address names, and the frame around it. */
import { html, render, useEffect, useState } from "./core/html.js";
import { place } from "./core/router.js";
import { resume, session } from "./core/session.js";
import { preferred, speak } from "./core/strings.js";
import { applyDisplay } from "./core/display.js";
import { Trouble } from "./kit/states.js";
import { Toasts } from "./kit/toast.js";
import { Deletions } from "./pages/deletions.js";
import { Failed, isRefused } from "./pages/failed.js";
import { SignIn } from "./pages/signin.js";
import { Studies } from "./pages/studies.js";
import { Uploads } from "./pages/uploads.js";
import { Viewer } from "./viewer/page.js";

const PAGES = {
  "/": Studies,
  "/uploads": Uploads,
  "/deletions": Deletions,
  "/signin": SignIn,
  "/view": Viewer,
  "/viewer": Viewer,
};

const resumed = resume(); // asked while the texts load

function App() {
  const [problem, setProblem] = useState(null);
  const [known, setKnown] = useState(false);
  const start = (answer) => {
    setProblem(null);
    answer.then(() => setKnown(true), setProblem);
  };
  useEffect(() => start(resumed), []);
  if (isRefused()) return html`<${Failed} />`;
  if (problem) return html`<${Trouble} problem=${problem} onRetry=${() => start(resume())} />`;
  if (!known) return null;
  const { path, query } = place.value;
  const Page = session.value && !session.value.mustChange ? (PAGES[path] ?? Failed) : SignIn;
  return html`<${Page} query=${query} /><${Toasts} />`;
}

applyDisplay();
resumed.catch(() => {}); // reported once there is a page to show it
await speak(preferred()).catch(() => {}); // English is better than no page
render(html`<${App} />`, document.getElementById("app"));
