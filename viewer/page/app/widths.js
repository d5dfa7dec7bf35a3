// Widths that somebody gave to columns, px, by list; kept in this browser.

const KEY = "replaylake.widths";
const LEAST = 40;
const MOST = 900;

/** @returns {Record<string, Record<string, number>>} */
function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

/** Of the columns of a list. @returns {Record<string, number>} */
export const widthsOf = (table) => kept()[table] ?? {};

/** A width in its bounds; null gives the column back to the list. */
export function setWidth(table, column, width) {
  const all = kept();
  const { [column]: _, ...others } = all[table] ?? {};
  all[table] = width === null ? others : { ...others, [column]: bounded(width) };
  localStorage.setItem(KEY, JSON.stringify(all));
}

export const bounded = (width) => Math.round(Math.max(LEAST, Math.min(MOST, width)));
