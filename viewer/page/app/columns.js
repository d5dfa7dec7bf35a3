// Columns of the explorer's table: how each shows a row, and which field a filter on it means.

import { h } from "./dom.js";
import { fieldText, fullTime, label, list, shortTime } from "./format.js";

const HEADS = {
  sessions: { session_view_count: "Pages", session_action_count: "Actions", session_error_count: "Errors", frustration_count: "Frustrations", session_first_view_path: "First page", session_last_view_path: "Last page" },
  views: {
    loading_time: "Loaded",
    time_spent: "Stayed",
    largest_contentful_paint: "LCP",
    interaction_to_next_paint: "INP",
    cumulative_layout_shift: "CLS",
    view_error_count: "Errors",
    view_action_count: "Actions",
    view_loading_type: "Loading",
  },
  actions: { action_name: "Action", action_type: "Type", action_frustration_types: "Frustration", action_error_count: "Errors" },
  errors: { error_message: "Message", error_type: "Type", error_source: "Source", error_fingerprint: "Group" },
  resources: { resource_status: "Status", resource_method: "Method", resource_url_path: "Path", resource_type: "Type", resource_size: "Size", resource_url_host: "Host" },
  long_tasks: { blocking_duration: "Blocked" },
  console: {},
};
const EVERYWHERE = { start: "Start", time: "Time", time_spent: "Duration", view_path: "Page", user: "User", app_id: "App" };

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
