// The most frequent values of some fields beside the list: a click filters, further ones are alternatives, the minus excludes.

import { head } from "./columns.js";
import { h, show } from "./dom.js";
import { count, fieldText } from "./format.js";
import { t } from "./texts.js";

const OPENED = 6;
const KEY = "replaylake.facets";

export class Facets {
  /** `filter(column, value, kind)` with kind `is` or `not`. `columns` are worth a facet; the API offers some of them. */
  constructor(table, columns, fields, filter) {
    this.table = table;
    this.fields = fields;
    this.filter = filter;
    this.columns = columns.filter((column) => fields.get(column)?.facet);
    this.element = h("aside", { class: "facets", "aria-label": t`Frequent values` });
  }

  update(facets, state) {
    const isKnown = ({ value }) => value !== null && value !== "";
    const shown = this.columns.filter((column) => facets[column]?.some(isKnown));
    const keyOf = (button) => [button.closest("details")?.dataset.column, button.className, button.title, button.getAttribute("aria-label")].join("\n");
    const focused = this.element.contains(document.activeElement) ? keyOf(document.activeElement) : null;
    const top = this.element.scrollTop;
    show(
      this.element,
      shown.map((column, index) => this.group(column, facets[column].filter(isKnown), state, index < OPENED)),
    );
    this.element.scrollTop = top;
    if (focused) [...this.element.querySelectorAll("button")].find((button) => keyOf(button) === focused)?.focus();
  }

  group(column, known, state, usuallyOpen) {
    const most = Math.max(1, ...known.map((entry) => entry.count));
    const field = this.fields.get(column);
    const rows = known.map(({ value, count: number }) => {
      const text = fieldText(value, field);
      const pressed = state.is.includes(`${column}:${value}`);
      return h(
        "li",
        {},
        h(
          "button",
          { class: "facet", type: "button", title: text, "aria-pressed": String(pressed), onclick: () => this.filter(column, value, "is") },
          h("span", { class: "facet-bar", style: { width: `${(number / most) * 100}%` } }),
          h("span", { class: "facet-text" }, text),
          h("span", { class: "facet-count" }, count(number)),
        ),
        h("button", { class: "facet-not", type: "button", title: t`Exclude`, "aria-label": t`Exclude ${head(column, this.table)} ${text}`, onclick: () => this.filter(column, value, "not") }, "−"),
      );
    });
    const details = h("details", { dataset: { column }, open: remembered(column) ?? usuallyOpen }, h("summary", {}, head(column, this.table)), h("ul", {}, rows));
    details.addEventListener("toggle", () => remember(column, details.open));
    return details;
  }
}

const remembered = (column) => JSON.parse(sessionStorage.getItem(KEY) ?? "{}")[column];
const remember = (column, open) => sessionStorage.setItem(KEY, JSON.stringify({ ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}"), [column]: open }));
