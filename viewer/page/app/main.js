// The page begins here: finds the view for the address, and asks people to sign in when the API wants that.

import { forget } from "./account.js";
import { api, ApiError } from "./api.js";
import { sessionState } from "./address.js";
import { h, show } from "./dom.js";
import { declareApps, declareLabels } from "./format.js";
import { closeMenu } from "./menu.js";
import { wantStyle } from "./styles.js";
import { LANGUAGE, t } from "./texts.js";

document.documentElement.lang = LANGUAGE;
const page = document.getElementById("page");
let fields = null;
let view = null;
let turn = 0;

/** Show what the address says. The view before ends at once; who goes on meanwhile sees the later address. */
async function open() {
  const mine = ++turn;
  closeMenu();
  const wanted = sessionState();
  try {
    if (view?.accepts(wanted)) return await view.update(wanted);
    view?.leave();
    view = null;
    const made = await (wanted ? sessionPage() : explorer());
    if (mine !== turn) return;
    view = made();
    await view.update(wanted);
  } catch (error) {
    if (mine === turn) fail(error);
  }
}

/** How to make a view. Each is loaded when it is first wanted; what it needs from the API is asked for meanwhile. */
async function explorer() {
  const [{ Explorer }, known, { apps }] = await Promise.all([import("./explorer.js"), fieldsByName(), api.apps()]);
  declareApps(apps);
  if (!apps.length) {
    const [{ EmptyLake }, lake] = await Promise.all([import("./emptylake.js"), api.lake()]);
    return () => new EmptyLake(page, lake, () => reopen());
  }
  return () => new Explorer(page, known.tables, apps, fail);
}

async function sessionPage() {
  const [{ SessionPage }, known] = await Promise.all([import("./session.js"), fieldsByName(), wantStyle("session"), wantStyle("player"), appNames()]);
  return () => new SessionPage(page, known, fail);
}

/** Who came by a link may not ask which apps there are, and sees the id. */
async function appNames() {
  if (sessionState()?.sig) return;
  const { apps } = await api.apps().catch(() => ({ apps: [] })); // what the session itself is answered counts
  declareApps(apps);
}

/** The same address again, with a new view. */
function reopen() {
  view?.leave();
  view = null;
  return open();
}

/** Columns by name: of each list, and of all together; the groups that a session's are shown in. */
async function fieldsByName() {
  if (!fields) {
    const named = (columns) => new Map(columns.map((field) => [field.name, field]));
    const { fields: sessions, groups, lines } = await api.fields();
    fields = { tables: Object.fromEntries(Object.entries({ sessions, ...lines }).map(([table, columns]) => [table, named(columns)])), all: named([...Object.values(lines).flat(), ...sessions]), groups };
    declareLabels(fields.all.values());
  }
  return fields;
}

/** Show what went wrong in place of the view; a 401 asks for the token. */
function fail(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof ApiError)) console.error(error);
  view?.leave();
  view = null;
  document.title = "Replay Lake";
  if (error.status === 401) return show(page, tokenForm(sessionState()?.sig ? t`This link does not open the session any more: ${error.message}.` : ""));
  const back = h("a", { class: "button", href: "/" }, t`Back to the sessions`);
  const again = h("button", { class: "button primary", onclick: open }, t`Try again`);
  const said = error instanceof ApiError ? error.message : t`Something in this page failed. The console has the details.`;
  show(page, h("main", { class: "notice" }, h("h1", {}, t`This did not work`), h("p", { role: "alert" }, said), h("p", { class: "actions" }, again, back)));
}

function tokenForm(why = "") {
  const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true, class: "input" });
  const said = h("p", { role: "alert" }, why);
  const use = async (event) => {
    event.preventDefault();
    said.textContent = "";
    try {
      await api.signIn(field.value.trim());
      forget();
      await open();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      said.textContent = error.status === 401 ? t`That token is not accepted.` : error.message;
      field.select();
    }
  };
  return h(
    "main",
    { class: "notice" },
    h("h1", {}, "Replay Lake"),
    h("p", {}, t`This server wants an access token, once: this browser stays signed in, in all its tabs, until you sign out or some hours have passed. The token itself is not kept.`),
    said,
    h("form", { class: "token", onsubmit: use }, h("label", { for: "token" }, t`Access token`), field, h("button", { class: "button primary" }, t`Sign in`)),
  );
}

addEventListener("signed-out", () => {
  turn += 1;
  forget();
  history.replaceState(null, "", "/");
  view?.leave();
  view = null;
  show(page, tokenForm());
  document.getElementById("token").focus();
});
addEventListener("popstate", open);
addEventListener("navigate-page", open);
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element && event.target.closest("a[data-inside]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button > 0) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  open();
});
open();
