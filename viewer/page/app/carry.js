// What filters of one list mean in another: a filter on what happened becomes `has` of sessions, and the other way round.

import { FILTERS, listOf, splitPair, usualSort } from "./address.js";

const OVERVIEW = ["sessions", "views", "errors", "resources"]; // it counts all of these
const SIGNS = { is: ":", gt: ">", lt: "<" };

/** `errors.error_type:TypeError` in its parts, or null. */
export function splitEvent(text) {
  const [, table, column, sign, value] = /^([a-z_]+)\.([^:<>]+)([:<>])(.*)$/s.exec(text) ?? [];
  return table ? { table, column, sign, value } : null;
}

/** The state of another list with the filters that it can take, and those that it cannot. `tables`: their columns by name. */
export function carry(state, table, tables) {
  const [from, to] = [state.table, table].map(listOf);
  const takes = (column) => (to === "overview" ? OVERVIEW : [to]).every((name) => tables[name].has(column));
  const next = { ...state, table, sort: usualSort(table), cursor: "", columns: null, entry: "", of: "", ...Object.fromEntries(FILTERS.map((kind) => [kind, []])) };
  const left = [];
  const take = (kind, text) => {
    const [column, value] = splitPair(text);
    const isAlone = state[kind].filter((one) => splitPair(one)[0] === column).length === 1;
    if (from === to || takes(column)) next[kind].push(text);
    else if (column.startsWith("custom.") && to !== "sessions") next[kind].push(text);
    else if (to === "sessions" && from !== "overview" && SIGNS[kind] && isAlone && value) next.has.push(`${from}.${column}${SIGNS[kind]}${value}`);
    else left.push(text);
  };
  for (const kind of ["is", "not", "gt", "lt", "between"]) for (const text of state[kind]) take(kind, text);
  for (const kind of ["has", "hasnot"]) {
    for (const text of state[kind]) {
      const event = splitEvent(text);
      if (to === "sessions") next[kind].push(text);
      else if (kind === "has" && event?.table === to) next[{ ":": "is", ">": "gt", "<": "lt" }[event.sign]].push(`${event.column}:${event.value}`);
      else left.push(text);
    }
  }
  return { state: next, left };
}
