// The list of sessions: a table that sorts, with a small menu on every value and a cursor for the keyboard.

import { isForBrowser, sessionAddress, splitPair } from "./address.js";
import { cellContent, fieldOf, head, isNumeric, valueOf } from "./columns.js";
import { copy, h, icon, show } from "./dom.js";
import { fieldText, fullTime } from "./format.js";
import { openMenu } from "./menu.js";

export class Table {
  /** `act` has `filter(column, value, kind)`, `sort(column)`, `toggle(column)` and `open(address)`. */
  constructor(fields, act) {
    this.fields = fields;
    this.act = act;
    this.element = h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Sessions" });
    this.rows = [];
    this.at = -1;
  }

  update(rows, columns, state) {
    this.columns = columns;
    this.state = state;
    this.rows = rows.map((row) => this.row(row));
    this.at = -1;
    const heads = columns.map((column) => this.head(column));
    show(this.element, h("table", { class: "sessions" }, h("thead", {}, h("tr", {}, h("th", { class: "play-column" }, h("span", { class: "visually-hidden" }, "Replay")), heads)), h("tbody", {}, this.rows)));
    this.element.scrollTop = 0;
  }

  head(column) {
    const name = fieldOf(column);
    const [down, up] = [this.state.sort === `-${name}`, this.state.sort === name];
    const button = h("button", { type: "button", class: "sort", onclick: () => this.act.sort(name) }, head(column, this.fields.get(column)), h("span", { class: "arrow", "aria-hidden": "true" }, down ? "↓" : up ? "↑" : ""));
    return h("th", { scope: "col", class: isNumeric(column, this.fields) ? "number" : null, "aria-sort": down ? "descending" : up ? "ascending" : null }, button);
  }

  row(row) {
    const which = { app: row.app_id, id: row.session_id, part: row.session_part || null };
    const play = sessionAddress({ ...which, tab: "replay" });
    const details = sessionAddress({ ...which, tab: "timeline" });
    const name = `session of ${fullTime(row.start)}`;
    const player = row.session_has_replay ? h("a", { class: "play-button", href: play, "data-inside": true, "aria-label": `Play ${name}`, title: "Play (p)" }, icon("play")) : h("span", { class: "none", title: "No replay" }, "–");
    const cells = this.columns.map((column) => this.cell(column, row, details));
    const line = h("tr", { tabindex: -1, dataset: { play: row.session_has_replay ? play : "", details } }, h("td", { class: "play-column" }, player), cells);
    line.addEventListener("click", (event) => {
      if (event.target.closest("a, button") || String(getSelection())) return;
      if (isForBrowser(event)) window.open(details, "_blank", "noopener");
      else this.act.open(details);
    });
    return line;
  }

  cell(column, row, details) {
    const name = fieldOf(column, row);
    const value = valueOf(name, row);
    const empty = value === null || value === undefined || value === "";
    const content = cellContent(column, row, this.fields);
    const link = column === "start" ? h("a", { href: details, "data-inside": true, class: "row-link" }, content) : content;
    const text = fieldText(value, this.fields.get(name));
    const more = h("button", { class: "cell-menu", type: "button", tabindex: -1, "aria-haspopup": "menu", "aria-label": `${head(column, this.fields.get(column))} ${text || "empty"}: filter, column, copy` }, icon("more"));
    more.addEventListener("click", () => this.menu(more, name, value, text));
    return h("td", { class: isNumeric(column, this.fields) ? "number" : null }, h("div", { class: "cell" }, link, empty ? null : more));
  }

  menu(anchor, name, value, text) {
    const isShown = this.columns.some((column) => column === name);
    openMenu(anchor, `${head(name, this.fields.get(name))}: ${text.slice(0, 60)}`, [
      { label: "Filter by this value", run: () => this.act.filter(name, value, "is") },
      { label: "Exclude this value", run: () => this.act.filter(name, value, "not") },
      { label: isShown ? "Remove the column" : "Add as column", run: () => this.act.toggle(name) },
      { label: "Copy", run: () => copy(String(value)) },
    ]);
  }

  /** Move the keyboard's cursor by rows. */
  move(step) {
    if (!this.rows.length) return;
    this.rows[this.at]?.classList.remove("current");
    this.at = Math.max(0, Math.min(this.rows.length - 1, this.at < 0 ? (step > 0 ? 0 : this.rows.length - 1) : this.at + step));
    const row = this.rows[this.at];
    row.classList.add("current");
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  /** Move within the row's values. */
  moveInRow(step) {
    const buttons = [...(this.rows[this.at]?.querySelectorAll(".play-button, .cell-menu") ?? [])];
    if (!buttons.length) return;
    const at = buttons.indexOf(document.activeElement);
    buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus();
  }

  /** Address of the row under the cursor: `play` or `details`. */
  chosen(kind) {
    return this.rows[this.at]?.dataset[kind] || null;
  }
}

/** Chips of the filters in force: `remove(kind, pair)`. */
export function filterChips(state, fields, remove) {
  const signs = { is: ":", not: ": not ", gt: " > ", lt: " < " };
  return Object.entries(signs).flatMap(([kind, sign]) =>
    state[kind].map((pair) => {
      const [column, raw] = splitPair(pair);
      const field = fields.get(column);
      const value = field && ["int64", "double", "timestamp"].includes(field.type) && raw !== "" ? Number(raw) : raw;
      const text = `${head(column, field)}${sign}${fieldText(value, field) || "empty"}`;
      return h("span", { class: `chip ${kind}` }, text, h("button", { type: "button", "aria-label": `Remove filter ${text}`, onclick: () => remove(kind, pair) }, icon("close")));
    }),
  );
}
