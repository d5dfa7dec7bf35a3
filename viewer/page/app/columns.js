// Columns of the explorer's table: how each shows a row, and which field a filter on it means.

import { h } from "./dom.js";
import { fieldText, fullTime, label, list, shortTime } from "./format.js";
import { t } from "./texts.js";

const HEADS = {
  sessions: { session_view_count: t`Pages`, session_action_count: t`Actions`, session_error_count: t`Errors`, frustration_count: t`Frustrations`, session_first_view_path: t`First page`, session_last_view_path: t`Last page` },
  views: {
    loading_time: t`Loaded`,
    time_spent: t`Stayed`,
    largest_contentful_paint: "LCP",
    interaction_to_next_paint: "INP",
    cumulative_layout_shift: "CLS",
    view_error_count: t`Errors`,
    view_action_count: t`Actions`,
    view_loading_type: t`Loading`,
  },
  actions: { action_name: t`Action`, action_type: t`Type`, action_frustration_types: t`Frustration`, action_error_count: t`Errors` },
  errors: { error_message: t`Message`, error_type: t`Type`, error_source: t`Source`, error_fingerprint: t`Group` },
  resources: { resource_status: t`Status`, resource_method: t`Method`, resource_url_path: t`Path`, resource_type: t`Type`, resource_size: t`Size`, resource_url_host: t`Host` },
  long_tasks: { blocking_duration: t`Blocked` },
  console: {},
};
const EVERYWHERE = { start: t`Start`, time: t`Time`, time_spent: t`Duration`, view_path: t`Page`, user: t`User`, app_id: t`App` };

/** What a row is about: it gets the room. */
const MAIN = new Set(["error_message", "message", "action_name", "resource_url_path"]);

/** What the table's head calls it. */
export const head = (column, table = "sessions") => [HEADS[table], EVERYWHERE].find((heads) => heads && Object.hasOwn(heads, column))?.[column] ?? (column.startsWith("custom.") ? column.slice(7) : label(column));

/** The field of the API behind a column in this row: "user" is the best name that is there. */
export function fieldOf(column, row) {
  if (column !== "user") return column;
  return ["user_name", "user_email", "userid"].find((name) => row?.[name]) ?? "userid";
}

export const isNumeric = (column, fields) => ["int64", "double"].includes(fields.get(column)?.type);

/** The value of a field; `custom.NAME` is one of the session's own attributes. */
export const valueOf = (name, row) => (name.startsWith("custom.") ? row.custom?.[name.slice(7)] : row[name]);

const VITALS = { largest_contentful_paint: [2.5e9, 4e9], interaction_to_next_paint: [2e8, 5e8], cumulative_layout_shift: [0.1, 0.25] };

/** How bad a value is: "bad", "warn" or null. */
function badness(column, value) {
  if (column === "session_error_count" || column === "view_error_count" || column === "action_error_count") return value > 0 ? "bad" : null;
  if (column === "frustration_count") return value > 0 ? "warn" : null;
  if (column === "resource_status") return /^[45]/.test(value) || value === "0" ? "bad" : null;
  if (column === "level") return value === "error" ? "bad" : /^warn/.test(value) ? "warn" : null;
  const [good, fair] = Object.hasOwn(VITALS, column) ? VITALS[column] : [Infinity, Infinity];
  return value > fair ? "bad" : value > good ? "warn" : null;
}

/** The cell's content, built of text only. */
export function cellContent(column, row, fields) {
  const name = fieldOf(column, row);
  const value = valueOf(name, row);
  if (value === null || value === undefined || value === "") return h("span", { class: "none" }, "–");
  if (column === "start" || column === "time") return h("time", { datetime: new Date(value).toISOString(), title: fullTime(value) }, shortTime(value));
  const text = column === "action_frustration_types" ? list(value).join(", ") : fieldText(value, fields.get(name));
  if (!text) return h("span", { class: "none" }, "–");
  const bad = badness(column, value);
  if (bad) return h("span", { class: `badge ${bad}` }, text);
  return h("span", { title: text, class: text.length > 14 ? (MAIN.has(column) ? "long main" : "long") : null }, text);
}
