// The most frequent values of some fields beside the list: a click filters, further ones are alternatives, the minus excludes.
// Beside sessions also what happened in them: asked for when its group is opened.

import { pair } from "./address.js";
import { head } from "./columns.js";
import { h, show } from "./dom.js";
import { count, counted, fieldText } from "./format.js";
import { HAPPENED, LISTS } from "./lists.js";
import { t } from "./texts.js";

const OPENED = 6;
const KEY = "replaylake.facets";

export class Facets {
  /** `columns` are worth a facet; the API offers some of them. `act`: `filter(column, value, kind)` with a kind of filter,
   * `happened(table, column)` counts values of what happened in the sessions. */
  constructor(table, columns, tables, act) {
    this.table = table;
    this.tables = tables;
    this.act = act;
    this.columns = columns.filter((column) => tables[table].get(column)?.facet);
    this.happened = table === "sessions" ? HAPPENED.filter(([of, column]) => tables[of].get(column)?.facet) : [];
    this.known = new Map(); // what happened, as it was counted last
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
      this.happened.length ? h("h2", { class: "facets-title" }, t`Happened in the session`) : null,
      this.happened.map(([table, column, words]) => this.happening(table, column, words, state)),
    );
    this.element.scrollTop = top;
    if (focused) [...this.element.querySelectorAll("button")].find((button) => keyOf(button) === focused)?.focus();
  }

  group(column, known, state, usuallyOpen) {
    const field = this.tables[this.table].get(column);
    const words = head(column, this.table);
    const values = rows(known, field, {
      isPressed: (value) => state.is.includes(pair(column, value)),
      want: (value) => this.act.filter(column, value, "is"),
      exclude: (value) => this.act.filter(column, value, "not"),
      title: (text) => text,
      excluding: (text) => t`Exclude ${words} ${text}`,
    });
    return group(column, words, h("ul", {}, values), usuallyOpen);
  }

  /** Values of something that happened: a click wants sessions in which it did, the minus those in which it never did. */
  happening(table, column, words, state) {
    const event = `${table}.${column}`;
    const { one, many } = LISTS[table];
    const list = h("ul", {});
    const draw = () => {
      const values = rows(this.known.get(event) ?? [], this.tables[table].get(column), {
        isPressed: (value) => state.has.includes(pair(event, value)),
        want: (value) => this.act.filter(event, value, "has"),
        exclude: (value) => this.act.filter(event, value, "hasnot"),
        title: (text, number) => `${text}: ${counted(number, one, many)}`,
        excluding: (text) => t`Never ${words} ${text}`,
      });
      show(list, values.length ? values : h("li", { class: "hint" }, this.known.has(event) ? t`Nothing to count.` : t`Loading …`));
    };
    const read = async () => {
      if (!details.open) return;
      const found = await this.act.happened(table, column);
      this.known.set(
        event,
        found.filter(({ value }) => value !== null && value !== ""),
      );
      draw();
    };
    const details = group(event, words, list, false);
    details.addEventListener("toggle", () => read().catch(() => show(list, h("li", { class: "hint" }, t`No suggestions: the server did not answer.`))));
    draw();
    return details;
  }
}

function group(key, words, list, usuallyOpen) {
  const details = h("details", { dataset: { column: key }, open: remembered(key) ?? usuallyOpen }, h("summary", {}, words), list);
  details.addEventListener("toggle", () => remember(key, details.open));
  return details;
}

/** A row for each value: wanted by a click on it, excluded by the minus. */
function rows(known, field, { isPressed, want, exclude, title, excluding }) {
  const most = Math.max(1, ...known.map((entry) => entry.count));
  return known.map(({ value, count: number }) => {
    const text = fieldText(value, field);
    return h(
      "li",
      {},
      h(
        "button",
        { class: "facet", type: "button", title: title(text, number), "aria-pressed": String(isPressed(value)), onclick: () => want(value) },
        h("span", { class: "facet-bar", style: { width: `${(number / most) * 100}%` } }),
        h("span", { class: "facet-text" }, text),
        h("span", { class: "facet-count" }, count(number)),
      ),
      h("button", { class: "facet-not", type: "button", title: t`Exclude`, "aria-label": excluding(text), onclick: () => exclude(value) }, "−"),
    );
  });
}

const remembered = (column) => JSON.parse(sessionStorage.getItem(KEY) ?? "{}")[column];
const remember = (column, open) => sessionStorage.setItem(KEY, JSON.stringify({ ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}"), [column]: open }));
