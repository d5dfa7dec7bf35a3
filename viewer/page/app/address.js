// The address holds the whole state, so that a link, the back button and a reload give the same picture.

import { ZONE } from "./zone.js";

/** What can be listed; the first is meant where the address names none. */
export const TABLES = ["sessions", "views", "actions", "errors", "resources", "long_tasks", "console"];
/** What is shown of a list in another way: groups of errors, clicks of a page. */
const VIEWS_OF = { groups: "errors", clicks: "actions" };
const BODIES = [...TABLES, "overview", ...Object.keys(VIEWS_OF)];

/** The list whose columns and filters it has. */
export const listOf = (table) => VIEWS_OF[table] ?? table;
const TEXTS = ["app", "range", "from", "to", "q", "cursor", "every", "entry", "of"];
/** Filters: each may stand in the address several times. */
export const FILTERS = ["is", "not", "gt", "lt", "between", "has", "hasnot"];

/** The order of a list when nobody chose one. */
export const usualSort = (table) => (table === "sessions" ? "-start" : "-time");

/**
 * @typedef {Record<"table" | "app" | "range" | "from" | "to" | "q" | "cursor" | "every" | "entry" | "of" | "sort", string>
 *   & Record<"is" | "not" | "gt" | "lt" | "between" | "has" | "hasnot", string[]>
 *   & {limit: number, columns: string[] | null}} State
 */

/** What the explorer shows, from the query. `entry` is the row that is open beside the list, `of` its session. @returns {State} */
export function explorerState(parameters = new URLSearchParams(location.search)) {
  const table = BODIES.includes(parameters.get("table")) ? parameters.get("table") : "sessions";
  return /** @type {any} */ ({
    table,
    ...Object.fromEntries(TEXTS.map((name) => [name, parameters.get(name) ?? ""])),
    ...Object.fromEntries(FILTERS.map((name) => [name, parameters.getAll(name)])),
    sort: parameters.get("sort") ?? usualSort(table),
    limit: Math.min(500, Math.max(0, Math.floor(Number(parameters.get("limit")) || 0))),
    columns: parameters.get("columns")?.split(",").filter(Boolean) ?? null,
  });
}

/** The address of that state; what is usual is left out. */
export function explorerAddress(state) {
  const parameters = new URLSearchParams();
  if (state.table !== "sessions") parameters.set("table", state.table);
  for (const name of TEXTS) if (state[name]) parameters.set(name, state[name]);
  for (const name of FILTERS) for (const pair of state[name]) parameters.append(name, pair);
  if (state.limit) parameters.set("limit", state.limit);
  if (state.sort !== usualSort(state.table)) parameters.set("sort", state.sort);
  if (state.columns) parameters.set("columns", state.columns.join(","));
  if (ZONE) parameters.set("tz", ZONE);
  const text = parameters.toString();
  return text ? `/?${text}` : "/";
}

/** A list without filters. */
export const nothingChosen = (table = "sessions") => explorerState(new URLSearchParams(table === "sessions" ? {} : { table }));

/** Which session, and where in it; null when the address is the explorer's. */
export function sessionState(parameters = new URLSearchParams(location.search)) {
  if (!parameters.has("session")) return null;
  const numeric = (name) => (/^\d+(\.\d+)?$/.test(parameters.get(name) ?? "") ? Number(parameters.get(name)) : null);
  return {
    app: parameters.get("app") ?? "",
    id: parameters.get("session"),
    part: numeric("part"),
    tab: parameters.get("tab") ?? "",
    track: numeric("track"),
    t: numeric("t"),
    at: numeric("at"),
    exp: parameters.get("exp") ?? "",
    sig: parameters.get("sig") ?? "",
  };
}

/** `t` is s since the start of the session; `at`, epoch ms, is for who does not know that. `exp` and `sig` are those of a signed link, and stay. */
export function sessionAddress({ app, id, part = null, tab = "", track = null, t = null, at = null, exp = "", sig = "" }) {
  const parameters = new URLSearchParams({ app, session: id });
  for (const [name, value] of Object.entries({ part, tab, track, t, at, exp, sig })) {
    if (value !== null && value !== "") parameters.set(name, value);
  }
  if (ZONE) parameters.set("tz", ZONE);
  return `/?${parameters}`;
}

/** Go there: a new entry in the history, or instead of the present one. */
export function go(address, { replace = false } = {}) {
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  if (!replace) window.dispatchEvent(new Event("navigate-page"));
}

/** `column:value`, as the API wants it. */
export const pair = (column, value) => `${column}:${value}`;

export function splitPair(text) {
  const colon = text.indexOf(":");
  return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** A click that should stay with the browser: a new tab or window. */
export const isForBrowser = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.button > 0;
