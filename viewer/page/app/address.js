// The address holds the whole state, so that a link, the back button and a reload give the same picture.

/** What the explorer shows, from the query. */
export function explorerState(parameters = new URLSearchParams(location.search)) {
  return {
    app: parameters.get("app") ?? "",
    range: parameters.get("range") ?? "",
    from: parameters.get("from") ?? "",
    to: parameters.get("to") ?? "",
    q: parameters.get("q") ?? "",
    is: parameters.getAll("is"),
    not: parameters.getAll("not"),
    gt: parameters.getAll("gt"),
    lt: parameters.getAll("lt"),
    sort: parameters.get("sort") ?? "-start",
    cursor: parameters.get("cursor") ?? "",
    limit: Math.min(500, Math.max(0, Math.floor(Number(parameters.get("limit")) || 0))),
    columns: parameters.get("columns")?.split(",").filter(Boolean) ?? null,
  };
}

/** The address of that state; what is usual is left out. */
export function explorerAddress(state) {
  const parameters = new URLSearchParams();
  for (const name of ["app", "range", "from", "to", "q", "cursor"]) if (state[name]) parameters.set(name, state[name]);
  for (const name of ["is", "not", "gt", "lt"]) for (const pair of state[name]) parameters.append(name, pair);
  if (state.limit) parameters.set("limit", state.limit);
  if (state.sort !== "-start") parameters.set("sort", state.sort);
  if (state.columns) parameters.set("columns", state.columns.join(","));
  const text = parameters.toString();
  return text ? `/?${text}` : "/";
}

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
    exp: parameters.get("exp") ?? "",
    sig: parameters.get("sig") ?? "",
  };
}

/** `exp` and `sig` are those of a signed link, and stay. */
export function sessionAddress({ app, id, part = null, tab = "", track = null, t = null, exp = "", sig = "" }) {
  const parameters = new URLSearchParams({ app, session: id });
  for (const [name, value] of Object.entries({ part, tab, track, t, exp, sig })) {
    if (value !== null && value !== "") parameters.set(name, value);
  }
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
