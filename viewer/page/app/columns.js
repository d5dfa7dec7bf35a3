// Columns of the explorer's table: how each shows a session, and which field a filter on it means.

import { h } from "./dom.js";
import { count, durationNs, fieldText, fullTime, label, shortTime } from "./format.js";

export const DEFAULT_COLUMNS = [
  "start",
  "time_spent",
  "session_type",
  "session_view_count",
  "session_action_count",
  "session_error_count",
  "frustration_count",
  "session_first_view_path",
  "session_last_view_path",
  "user",
  "browser",
  "country",
];

const HEADS = {
  start: "Start",
  time_spent: "Duration",
  session_type: "Type",
  session_view_count: "Pages",
  session_action_count: "Actions",
  session_error_count: "Errors",
  frustration_count: "Frustrations",
  session_first_view_path: "First page",
  session_last_view_path: "Last page",
  user: "User",
  browser: "Browser",
  country: "Country",
  app_id: "App",
};

/** What the table's head calls it. */
export const head = (column, field) => (Object.hasOwn(HEADS, column) ? HEADS[column] : label(column, field));

/** The field of the API behind a column in this row: "user" is the best name that is there. */
export function fieldOf(column, row) {
  if (column !== "user") return column;
  return ["user_name", "user_email", "userid"].find((name) => row?.[name]) ?? "userid";
}

export const isNumeric = (column, fields) => ["int64", "double"].includes(fields.get(column)?.type);

/** The value of a field; `custom.NAME` is one of the session's own attributes. */
export const valueOf = (name, row) => (name.startsWith("custom.") ? row.custom?.[name.slice(7)] : row[name]);

/** The cell's content, built of text only. */
export function cellContent(column, row, fields) {
  const name = fieldOf(column, row);
  const value = valueOf(name, row);
  if (value === null || value === undefined || value === "") return h("span", { class: "none" }, "–");
  if (column === "start") return h("time", { datetime: new Date(value).toISOString(), title: fullTime(value) }, shortTime(value));
  if (column === "time_spent") return durationNs(value);
  if (column === "session_error_count" && value > 0) return h("span", { class: "badge bad" }, count(value));
  if (column === "frustration_count" && value > 0) return h("span", { class: "badge warn" }, count(value));
  const text = fieldText(value, fields.get(name));
  return h("span", { title: text, class: text.length > 14 ? "long" : null }, text);
}
