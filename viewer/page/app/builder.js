// Building a filter: a field of the list, or something that happened in the session; how it compares; a value, with suggestions.

import { api } from "./api.js";
import { FILTERS, listOf } from "./address.js";
import { head } from "./columns.js";
import { h, show } from "./dom.js";
import { count, fieldText } from "./format.js";
import { LISTS } from "./lists.js";
import { closeMenu, openPanel } from "./menu.js";
import { example, quantity } from "./quantity.js";
import { t } from "./texts.js";

const MEASURED = ["int64", "double", "timestamp"];
const SUGGESTED = 30;
const HAPPENED = { views: t`A page`, actions: t`An action`, errors: t`An error`, resources: t`A request`, long_tasks: t`A long task`, console: t`A line of the console` };
/** With what a filter on what happened usually begins. */
const FIRST = { sessions: "browser", views: "view_path", actions: "action_name", errors: "error_type", resources: "resource_status", long_tasks: "duration", console: "level" };
const WORDS = { is: t`is`, not: t`is not`, gt: t`is greater than`, lt: t`is less than`, between: t`is between` };
const SIGNS = { is: ":", gt: ">", lt: "<" };

export class Builder {
  constructor(explorer, anchor) {
    this.explorer = explorer;
    this.anchor = anchor;
    const { table } = explorer.state;
    this.own = listOf(table) in LISTS ? listOf(table) : "sessions";
    const choice = (label, change) => h("select", { class: "input", "aria-label": label, onchange: change });
    this.subject = choice(t`What`, () => this.chooseSubject());
    this.field = choice(t`Field`, () => this.chooseField());
    this.way = choice(t`Comparison`, () => this.chooseWay());
    this.list = h("datalist", { id: "suggestions" });
    this.value = h("input", { class: "input", list: "suggestions", autocomplete: "off", "aria-label": t`Value` });
    this.upper = h("input", { class: "input", autocomplete: "off", "aria-label": t`Upper value`, hidden: true });
    this.frequent = h("div", { class: "suggested", role: "group", "aria-label": t`Frequent values` });
    this.said = h("p", { class: "problem", role: "alert" });
  }

  open() {
    const happens = this.explorer.state.table === "sessions" ? Object.entries(HAPPENED) : [];
    show(
      this.subject,
      h("option", { value: "" }, t`The ${LISTS[this.own].one}`),
      happens.length
        ? h(
            "optgroup",
            { label: t`Happened in the session` },
            happens.map(([table, words]) => h("option", { value: table }, words)),
          )
        : null,
    );
    const use = (event) => (event.preventDefault(), this.use(this.value.value, this.upper.value));
    // The button is above what arrives later, so that it stays where somebody is about to press it.
    const form = h("form", { class: "builder", onsubmit: use }, this.subject, this.field, this.way, this.value, this.list, this.upper, this.said, h("button", { class: "button primary" }, t`Add filter`), this.frequent);
    this.chooseSubject();
    this.panel = openPanel(this.anchor, t`Filter`, form);
    this.subject.focus();
  }

  get table() {
    return this.subject.value || this.own;
  }

  get column() {
    return this.explorer.tables[this.table].get(this.field.value);
  }

  get isMeasured() {
    return MEASURED.includes(this.column?.type);
  }

  chooseSubject() {
    const { table } = this;
    const fields = [...this.explorer.tables[table].values()].filter(({ type }) => !type.startsWith("map"));
    const usual = new Set([FIRST[table], ...LISTS[table].facets, ...LISTS[table].columns]);
    const option = ({ name, doc }) => h("option", { value: name, title: doc }, head(name, table));
    const byName = (a, b) => head(a.name, table).localeCompare(head(b.name, table));
    show(
      this.field,
      h(
        "optgroup",
        { label: t`Usual` },
        fields
          .filter(({ name }) => usual.has(name))
          .sort(byName)
          .map(option),
      ),
      h(
        "optgroup",
        { label: t`Others` },
        fields
          .filter(({ name }) => !usual.has(name))
          .sort(byName)
          .map(option),
      ),
    );
    this.field.value = FIRST[table];
    this.chooseField();
  }

  chooseField() {
    const isHappened = Boolean(this.subject.value);
    const ways = this.isMeasured ? ["gt", "lt", ...(isHappened ? [] : ["between"]), "is"] : ["is"];
    const words = isHappened ? [...ways.map((way) => [way, t`happened, and ${WORDS[way]}`]), ...ways.map((way) => [`never ${way}`, t`never happened where it ${WORDS[way]}`])] : [...ways, "not"].map((way) => [way, WORDS[way]]);
    show(
      this.way,
      words.map(([value, text]) => h("option", { value }, text)),
    );
    this.value.value = "";
    this.upper.value = "";
    this.value.placeholder = this.isMeasured ? example(this.column) : t`Value`;
    this.chooseWay();
    this.suggest();
  }

  chooseWay() {
    this.upper.hidden = this.way.value !== "between";
    this.said.textContent = "";
  }

  /** The most frequent values under the filters in force; of what happens in sessions, those of the app and range. */
  async suggest() {
    const { column, table } = this;
    this.asked?.abort();
    this.asked = new AbortController();
    show(this.list);
    show(this.frequent, column?.type === "bool" ? ["true", "false"].map((value) => this.suggestion(value, value, null)) : []);
    if (!column?.facet || column.type === "bool") return;
    const wanted = this.explorer.query(Date.now(), { columns: column.name, top: SUGGESTED, own: "false" });
    if (this.subject.value) for (const name of [...FILTERS, "q"]) wanted.delete(name);
    try {
      const { facets } = await api.facets(table, wanted, this.asked.signal);
      const known = facets[column.name].filter(({ value }) => value !== null && value !== "");
      show(
        this.list,
        known.map(({ value }) => h("option", { value })),
      );
      show(
        this.frequent,
        known.slice(0, 8).map((one) => this.suggestion(one.value, fieldText(one.value, column), one.count)),
      );
    } catch (error) {
      if (error.name !== "AbortError") this.said.textContent = t`No suggestions: the server did not answer.`;
    }
  }

  suggestion(value, text, number) {
    return h(
      "button",
      { type: "button", class: "button small", title: text, onclick: () => this.use(String(value)) },
      h("span", { class: "suggested-text" }, text),
      number === null ? null : h("span", { class: "facet-count" }, count(number)),
    );
  }

  use(text, upper = "") {
    const [way, never] = [this.way.value.replace("never ", ""), this.way.value.startsWith("never ")];
    const say = (one) => (this.isMeasured && one !== "" ? quantity(one, this.column) : one);
    const values = (way === "between" ? [text, upper] : [text]).map(say);
    const isOpen = this.isMeasured && way !== "is" && way !== "not" && values.includes("");
    if (values.includes(null) || isOpen) {
      this.said.textContent = t`Write it like ${example(this.column)}.`;
      return this.value.focus();
    }
    closeMenu();
    const { name } = this.column;
    if (!this.subject.value) return this.explorer.add(way, `${name}:${values.join(",")}`);
    this.explorer.add(never ? "hasnot" : "has", `${this.table}.${name}${SIGNS[way]}${values[0]}`);
  }
}
