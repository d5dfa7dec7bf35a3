// The list: a table that sorts, with a small menu on every value and a cursor for the keyboard.

import { isForBrowser, sessionAddress } from "./address.js";
import { cellContent, fieldOf, head, isNumeric, valueOf } from "./columns.js";
import { h, icon, show } from "./dom.js";
import { fieldText, fullTime } from "./format.js";
import { Heads } from "./heads.js";
import { openMenu } from "./menu.js";
import { t } from "./texts.js";

/** Widths of long texts that are tried, px, until all columns fit. */
const WIDTHS = [150, 124, 104, 88, 74, 60];

export class Table {
  /** `list`: what the rows are. `act`: `sort(column)`, `moveColumn(column, to)`, `open(row, {isQuiet})`, `items(column, value, text)` of a value's menu. */
  constructor(table, list, fields, act) {
    this.table = table;
    this.list = list;
    this.fields = fields;
    this.act = act;
    this.element = h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": list.title });
    this.rows = [];
    this.at = -1;
    this.heads = new Heads(table, fields, { sort: act.sort, moveColumn: act.moveColumn, resized: () => this.fit() });
  }

  /** The page is replaced; of the same list the place, the cursor and the focus stay, of another it begins at the top. */
  update(rows, columns, state, isSame) {
    const top = this.element.scrollTop;
    const chosen = this.chosen && keyOf(this.list, this.chosen);
    const isFocused = this.rows[this.at]?.contains(document.activeElement);
    this.columns = columns;
    this.state = state;
    this.data = rows;
    this.rows = rows.map((row, place) => this.row(row, place));
    this.at = -1;
    const heads = this.heads.of(columns, state);
    this.drawn = h("table", { class: `sessions ${this.table}` }, h("thead", {}, h("tr", {}, h("th", { class: "play-column" }, h("span", { class: "visually-hidden" }, t`Replay`)), heads)), h("tbody", {}, this.rows));
    show(this.element, this.drawn);
    this.fit();
    this.element.scrollTop = isSame ? top : 0;
    if (!isSame || chosen === null) return;
    this.mark(rows.findIndex((row) => keyOf(this.list, row) === chosen));
    if (isFocused) this.rows[this.at]?.focus({ preventScroll: true });
  }

  /** Long texts give way until the columns fit. */
  fit() {
    this.heads.apply(this.drawn);
    for (const width of WIDTHS) {
      this.drawn.classList.toggle("tight", width < 100);
      this.drawn.style.setProperty("--long", `${width}px`);
      if (this.element.scrollWidth <= this.element.clientWidth) return;
    }
  }

  row(row, place) {
    const moment = row[this.table === "sessions" ? "start" : "time"];
    const { play, details } = addresses(this.table, row);
    const name = t`${this.list.one} of ${fullTime(moment)}`;
    const canPlay = row.session_has_replay || (this.table !== "sessions" && row.session_has_replay === null); // not every SDK says it on a line
    const player = canPlay ? h("a", { class: "play-button", href: play, "data-inside": true, "aria-label": t`Play ${name}`, title: t`Play (p)` }, icon("play")) : h("span", { class: "none", title: t`No replay` }, "–");
    const cells = this.columns.map((column) => this.cell(column, row, details, place));
    const line = h("tr", { tabindex: -1, dataset: { play: canPlay ? play : "", details } }, h("td", { class: "play-column" }, player), cells);
    line.addEventListener("click", (event) => {
      if (event.target.closest("a, button") || String(getSelection())) return;
      if (isForBrowser(event)) window.open(details, "_blank", "noopener");
      else this.open(place);
    });
    return line;
  }

  cell(column, row, details, place) {
    const name = fieldOf(column, row);
    const value = valueOf(name, row);
    const empty = value === null || value === undefined || value === "";
    const content = cellContent(column, row, this.fields);
    const text = fieldText(value, this.fields.get(name));
    const more = h("button", { class: "cell-menu", type: "button", tabindex: -1, "aria-haspopup": "menu", "aria-label": t`${head(column, this.table)} ${text || t`empty`}: filter, column, copy` }, icon("more"));
    more.addEventListener("click", () => openMenu(more, `${head(name, this.table)}: ${text.slice(0, 60)}`, this.act.items(name, value, text)));
    return h("td", { class: isNumeric(column, this.fields) ? "number" : null }, h("div", { class: "cell" }, this.link(column, details, place, content), empty ? null : more));
  }

  /** The time leads to the session, or opens the row beside the list. */
  link(column, details, place, content) {
    if (this.table === "sessions") return column === "start" ? h("a", { href: details, "data-inside": true, class: "row-link", onclick: () => this.mark(place) }, content) : content;
    return column === "time" ? h("button", { type: "button", class: "row-link", onclick: () => this.open(place) }, content) : content;
  }

  open(place) {
    this.mark(place);
    this.act.open(this.data[place]);
  }

  /** Set the keyboard's cursor, without moving the focus. */
  mark(place) {
    this.rows[this.at]?.classList.remove("current");
    this.at = place < this.rows.length ? place : -1;
    this.rows[this.at]?.classList.add("current");
  }

  /** Move the keyboard's cursor by rows. */
  move(step) {
    if (!this.rows.length) return;
    this.mark(Math.max(0, Math.min(this.rows.length - 1, this.at < 0 ? (step > 0 ? 0 : this.rows.length - 1) : this.at + step)));
    const row = this.rows[this.at];
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

  /** The row under the cursor. */
  get chosen() {
    return this.data?.[this.at] ?? null;
  }

  /** Address of the row under the cursor: `play` or `details`. */
  address(kind) {
    return this.rows[this.at]?.dataset[kind] || null;
  }
}

/** What names a row of a list. */
const keyOf = ({ id }, row) => JSON.stringify([row.app_id, row.session_id, row.session_part, id && (row[id] ?? row.time)]);

/** Of a session: its replay and its timeline; of a line: the same at its moment. */
export function addresses(table, row) {
  const which = { app: row.app_id, id: row.session_id, part: row.session_part || null };
  const at = table === "sessions" ? null : row.time;
  return { play: sessionAddress({ ...which, tab: "replay", at }), details: sessionAddress({ ...which, tab: "timeline", at }) };
}
