// The way from a number to the list of what it counts, as the API says it.

import { explorerAddress, FILTERS, nothingChosen } from "./address.js";

/** The address for `{route: "/views", filter: {is: […], …}}`, in an order; the range stays as it was chosen. */
export function leadAddress({ route, filter }, state, sort = "") {
  const table = route.replace(/^\//, "");
  const filters = Object.fromEntries(FILTERS.map((name) => [name, filter[name] ?? []]));
  const { range, from, to, every } = state;
  return explorerAddress({ ...nothingChosen(table), range, from, to, every, app: filter.app?.[0] ?? "", q: filter.q?.[0] ?? "", ...filters, ...(sort && { sort }) });
}
