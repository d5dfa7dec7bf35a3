// The most frequent values of some fields beside the list: a click filters, the minus excludes.

import { h, show } from "./dom.js";
import { count, fieldText, label } from "./format.js";

const COLUMNS = [
  "session_type",
  "session_has_replay",
  "browser",
  "os",
  "device",
  "country",
  "env",
  "service",
  "version",
  "session_first_view_path_group",
  "session_first_view_host",
  "user_name",
  "network_type",
  "screen_size",
  "time_zone",
  "close_reason",
  "sdk_name",
  "sdk_version",
];
const OPENED = 6;
const KEY = "replaylake.facets";

/** Columns that are worth a facet and that the API offers as one; any other value is filtered from the list. */
export const facetColumns = (fields) => COLUMNS.filter((column) => fields.get(column)?.facet);

export class Facets {
  /** `filter(column, value, kind)` with kind `is` or `not`. */
  constructor(fields, filter) {
    this.fields = fields;
    this.filter = filter;
    this.element = h("aside", { class: "facets", "aria-label": "Frequent values" });
  }

  update(facets, state) {
    const shown = facetColumns(this.fields).filter((column) => facets[column]?.some(({ value }) => value !== null && value !== ""));
    show(
      this.element,
      shown.map((column, index) => this.group(column, facets[column], state, index < OPENED)),
    );
  }

  group(column, values, state, usuallyOpen) {
    const known = values.filter(({ value }) => value !== null && value !== "");
    const most = Math.max(1, ...known.map((entry) => entry.count));
    const field = this.fields.get(column);
    const rows = known.map(({ value, count: sessions }) => {
      const text = fieldText(value, field);
      const pressed = state.is.includes(`${column}:${value}`);
      return h(
        "li",
        {},
        h(
          "button",
          { class: "facet", type: "button", title: text, "aria-pressed": String(pressed), onclick: () => this.filter(column, value, "is") },
          h("span", { class: "facet-bar", style: { width: `${(sessions / most) * 100}%` } }),
          h("span", { class: "facet-text" }, text),
          h("span", { class: "facet-count" }, count(sessions)),
        ),
        h("button", { class: "facet-not", type: "button", title: "Exclude", "aria-label": `Exclude ${label(column, field)} ${text}`, onclick: () => this.filter(column, value, "not") }, "−"),
      );
    });
    const details = h("details", { open: remembered(column) ?? usuallyOpen }, h("summary", {}, label(column, field)), h("ul", {}, rows));
    details.addEventListener("toggle", () => remember(column, details.open));
    return details;
  }
}

const remembered = (column) => JSON.parse(sessionStorage.getItem(KEY) ?? "{}")[column];
const remember = (column, open) => sessionStorage.setItem(KEY, JSON.stringify({ ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}"), [column]: open }));
