// Who is signed in, at the top of every view, and the way out.

import { api, ApiError } from "./api.js";
import { h, icon } from "./dom.js";
import { appName, fullTime } from "./format.js";
import { closeMenu, openPanel } from "./menu.js";
import { t } from "./texts.js";

let known = null; // promise of what the server says of this browser

/** Somebody else may be there now. */
export function forget() {
  known = null;
}

/** A button with the name; hidden where the server asks nobody, and for whoever came by a link. */
export function account() {
  const button = h("button", { class: "button plain", type: "button", hidden: true, "aria-haspopup": "dialog" }, icon("person"));
  if (new URLSearchParams(location.search).has("sig")) return button;
  known ??= api.who().catch((error) => (error instanceof ApiError ? null : Promise.reject(error)));
  known.then((who) => {
    if (!who || who.how === "open") return;
    button.hidden = false;
    const name = who.name.replace(/^user:/, "");
    button.setAttribute("aria-label", t`Signed in as ${name}`);
    button.title = t`Signed in as ${name}`;
    button.addEventListener("click", () => openPanel(button, t`Account`, ...panel(who, name)));
  });
  return button;
}

function panel(who, name) {
  const apps = who.apps === null ? t`all applications` : who.apps.map(appName).join(", ");
  const until = who.expires_ms ? t`Until ${fullTime(who.expires_ms)}.` : t`Your company's sign-in decides how long.`;
  const out = h("button", { class: "button", type: "button", onclick: signOut }, t`Sign out`);
  return [h("p", {}, h("strong", {}, name)), h("p", { class: "hint" }, t`May see ${apps}. ${until}`), who.how === "sign-in" ? out : null].filter(Boolean);
}

async function signOut() {
  await api.signOut().catch((error) => {
    if (error.status !== 401) throw error; // it had ended by itself
  });
  closeMenu();
  dispatchEvent(new Event("signed-out"));
}
