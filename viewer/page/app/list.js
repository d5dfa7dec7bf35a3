// One list of the explorer: chart, frequent values, table, pages; a line opens beside it.

import { api } from "./api.js";
import { explorerAddress, go, pair } from "./address.js";
import { Chart } from "./chart.js";
import { head, isNumeric } from "./columns.js";
import { copy, h, icon, show } from "./dom.js";
import { Facets } from "./facets.js";
import { count, counted } from "./format.js";
import { LISTS } from "./lists.js";
import { openPanel } from "./menu.js";
import { addresses, Table } from "./table.js";
import { t } from "./texts.js";

const PAGE_SIZE = 50;
const BUCKETS = 90;
const FACET_VALUES = 8;
const PLACE = "replaylake.place"; // where one was in the list
const WALK = "replaylake.walk"; // its sessions in their order, for the next and the previous one

export class List {
  constructor(explorer, table) {
    this.explorer = explorer;
    this.table = table;
    this.own = LISTS[table];
    this.fields = explorer.tables[table];
    this.chart = new Chart((from, to) => explorer.change({ range: "", from: String(from), to: String(to) }));
    this.facets = new Facets(table, this.own.facets, explorer.tables, {
      filter: (column, value, kind) => explorer.filter(column, value, kind),
      happened: (table, column) => this.happened(table, column),
    });
    this.rows = new Table(table, this.own, this.fields, {
      sort: (column) => explorer.change({ sort: this.state.sort === `-${column}` ? column : `-${column}` }),
      moveColumn: (column, to, byKey) => this.moveColumn(column, to, byKey),
      open: (row) => this.open(row),
      items: (column, value, text) => this.items(column, value, text),
    });
    /** @type {import("./entry.js").Entry} */
    this.entry = null;
    this.build();
  }

  build() {
    const { explorer, own } = this;
    this.total = h("p", { class: "total", role: "status" });
    this.columnsButton = h("button", { class: "button", type: "button", "aria-haspopup": "dialog", onclick: () => this.chooseColumns() }, icon("columns"), t`Columns`);
    const csv = h("button", { class: "button", type: "button", title: t`What the list shows, as a file`, onclick: () => this.saveCsv() }, icon("save-file"), "CSV");
    const groups = this.table === "errors" ? h("button", { class: "button", type: "button", title: t`Groups (g)`, onclick: () => explorer.switchTo("groups") }, icon("list"), t`Groups`) : null;
    const clicks = this.table === "actions" ? h("button", { class: "button", type: "button", title: t`Click map (m)`, onclick: () => explorer.switchTo("clicks") }, icon("click"), t`Click map`) : null;
    this.next = h("button", { class: "button", type: "button", onclick: () => explorer.change({ cursor: this.nextCursor }) }, t`Older`, icon("next"));
    this.first = h("button", { class: "button", type: "button", onclick: () => explorer.change({ cursor: "" }) }, icon("back"), t`First page`);
    this.empty = h("div", { class: "empty", hidden: true }, h("p", {}, t`No matching ${own.many}.`), h("button", { class: "button", type: "button", onclick: () => explorer.reset() }, t`Remove all filters`));
    this.head = h("div", { class: "bar-row" }, this.total, explorer.filterButton, explorer.chips, h("span", { class: "grow" }), groups, clicks, csv, this.columnsButton);
    this.beside = h("div", { class: "beside", hidden: true });
    this.element = [
      this.facets.element,
      h("section", { class: "results" }, this.chart.element, this.head, this.rows.element, this.empty, h("nav", { class: "paging", "aria-label": t`Pages of the list` }, this.first, this.next)),
      this.beside,
    ];
  }

  keys() {
    const { one } = this.own;
    const there = (kind) => () => this.rows.address(kind) && go(this.rows.address(kind));
    return [
      { keys: ["j", "ArrowDown"], does: t`next ${one}`, run: () => this.move(1) },
      { keys: ["k", "ArrowUp"], does: t`previous ${one}`, run: () => this.move(-1) },
      { keys: ["ArrowRight"], does: t`next value of the ${one}`, run: () => this.rows.moveInRow(1) },
      { keys: ["ArrowLeft"], does: t`previous value of the ${one}`, run: () => this.rows.moveInRow(-1) },
      { keys: ["Enter"], does: t`details of the ${one}`, run: () => this.rows.chosen && this.open(this.rows.chosen) },
      { keys: ["p", " "], does: this.table === "sessions" ? t`play the session` : t`play at that moment`, run: there("play") },
      ...(this.table === "sessions" ? [] : [{ keys: ["o"], does: t`details of its session`, run: there("details") }]),
      ...(this.table === "errors" ? [{ keys: ["g"], does: t`groups of errors`, run: () => this.explorer.switchTo("groups") }] : []),
      ...(this.table === "actions" ? [{ keys: ["m"], does: t`click map`, run: () => this.explorer.switchTo("clicks") }] : []),
      { keys: ["n"], does: t`older ${this.own.many}`, run: () => this.next.disabled || this.next.click() },
    ];
  }

  /** What one comes back to, and the list in which a session that is opened knows its neighbours. */
  leave() {
    this.chart.leave();
    if (!this.data) return;
    const walk = [...new Map(this.data.map((row) => [JSON.stringify([row.app_id, row.session_id, row.session_part]), addresses(this.table, row)])).values()];
    sessionStorage.setItem(PLACE, JSON.stringify({ list: this.address, top: this.rows.element.scrollTop, at: this.rows.at }));
    sessionStorage.setItem(WALK, JSON.stringify(walk));
  }

  async read(state, query, signal) {
    this.state = state;
    const isAgain = this.shown === this.explorer.shown;
    this.shown = this.explorer.shown;
    const page = { sort: state.sort, limit: state.limit || PAGE_SIZE, ...(state.cursor && { cursor: state.cursor }) };
    this.rows.element.setAttribute("aria-busy", "true");
    this.query = query;
    const listed = api.list(this.table, query(page), signal).then((answer) => this.take(answer, isAgain));
    await Promise.all([listed, this.around(query, signal)]);
    await this.showEntry();
  }

  async around(query, signal) {
    const { columns } = this.facets;
    const wanted = query({ columns: columns.join(","), top: FACET_VALUES, own: "false" });
    const [histogram, { facets }] = await Promise.all([api.histogram(this.table, query({ buckets: BUCKETS }), signal), columns.length ? api.facets(this.table, wanted, signal) : { facets: {} }]);
    this.histogram = histogram;
    this.chart.update(histogram, this.own.one, this.own.many);
    this.facets.update(facets, this.state);
  }

  /** The most frequent values of what happened in the sessions of the list, as far as its filters are known there. */
  async happened(table, column) {
    const { facets } = await api.facets(table, this.explorer.queryOf(table, { columns: column, top: FACET_VALUES, own: "false" }));
    return facets[column];
  }

  /** `isAgain`: the same list is read once more, and whoever looks at it stays where he is. */
  take({ next, total, text_complete: isWhole = true, ...rows }, isAgain) {
    this.data = rows[this.table];
    this.nextCursor = next;
    this.draw(isAgain);
    this.comeBack();
    this.rows.element.removeAttribute("aria-busy");
    this.next.disabled = !next;
    this.first.hidden = !this.state.cursor;
    this.empty.hidden = this.data.length > 0;
    this.rows.element.hidden = this.data.length === 0;
    this.total.textContent = typeof total === "number" ? counted(total, this.own.one, this.own.many) : t`${count(this.data.length)} ${this.own.many} shown`;
    if (!isWhole) this.total.textContent += t`, of the part of what happened that could be searched in time: search again, or in fewer days`;
  }

  draw(isSame = true) {
    this.rows.update(this.data, this.columns, this.state, isSame);
  }

  /** The address changed, but not the rows: other columns, another entry. */
  redraw(state) {
    const isSame = String(this.rows.columns) === String(state.columns ?? this.usual);
    this.state = state;
    if (this.data && !isSame) this.draw();
    this.showEntry().catch((error) => this.explorer.fail(error));
  }

  get usual() {
    return [...this.own.columns, ...(this.explorer.isManyApps ? ["app_id"] : [])];
  }

  get columns() {
    return this.state.columns ?? this.usual;
  }

  get address() {
    return explorerAddress({ ...this.state, entry: "", of: "", every: "" });
  }

  /** To the row and the place where one was, when this is the list that was left. */
  comeBack() {
    const kept = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
    sessionStorage.removeItem(PLACE);
    if (kept?.list !== this.address) return;
    this.rows.mark(kept.at);
    this.rows.element.scrollTop = kept.top;
  }

  open(row) {
    if (this.table === "sessions") return go(addresses("sessions", row).details);
    const entry = row[this.own.id] ?? "";
    if (!entry) return this.openEntry(row);
    go(explorerAddress({ ...this.state, entry, of: row.session_id }));
  }

  /** The cursor goes on; what stands beside the list goes with it. */
  move(step) {
    this.rows.move(step);
    const row = this.rows.chosen;
    if (this.beside.hidden || !row) return;
    go(explorerAddress({ ...this.state, entry: row[this.own.id] ?? "", of: row.session_id }), { replace: true });
    this.state = { ...this.state, entry: row[this.own.id] ?? "", of: row.session_id };
    this.explorer.state = this.state;
    this.openEntry(row, { isQuiet: true });
  }

  /** What the address says stands beside the list, also when it is on another page of it. */
  async showEntry() {
    const { entry, of } = this.state;
    if (!entry) return this.closeEntry();
    if (this.opened?.[this.own.id] === entry) return;
    const isIt = (row) => row[this.own.id] === entry && row.session_id === of;
    let row = this.data.find(isIt);
    if (!row) {
      const wanted = new URLSearchParams([
        ["is", pair("session_id", of)],
        ["is", pair(this.own.id, entry)],
        ["limit", "1"],
      ]);
      [row] = (await api.list(this.table, wanted))[this.table];
    }
    await this.openEntry(row ?? null);
  }

  async openEntry(row, { isQuiet = false } = {}) {
    this.opened = row;
    const { Entry } = await import("./entry.js");
    if (this.opened !== row) return;
    this.entry ??= new Entry(this.explorer, this.table, {
      close: () => this.close(),
      items: (name, value, text) => this.items(name, value, text),
    });
    this.beside.hidden = false;
    show(this.beside, this.entry.element);
    this.rows.fit();
    await this.entry.show(row, isQuiet);
  }

  close() {
    if (this.state.entry) go(explorerAddress({ ...this.state, entry: "", of: "" }));
    else this.closeEntry();
    this.rows.rows[this.rows.at]?.focus({ preventScroll: true });
  }

  closeEntry() {
    if (this.beside.hidden) return;
    this.opened = null;
    this.beside.hidden = true;
    show(this.beside);
    this.rows.fit();
  }

  /** The menu of a value, in the list and beside it. */
  items(column, value, text) {
    const { explorer, table } = this;
    const isShown = this.columns.includes(column);
    const say = (kind) => () => explorer.filter(column, value, kind);
    const isMeasured = isNumeric(column, this.fields) || this.fields.get(column)?.type === "timestamp";
    const isField = this.fields.has(column) || column.startsWith("custom.");
    return [
      ...(isField
        ? [
            { label: t`Filter by this value`, run: say("is") },
            { label: t`Exclude this value`, run: say("not") },
          ]
        : []),
      ...(isMeasured
        ? [
            { label: t`Greater than ${text}`, run: say("gt") },
            { label: t`Less than ${text}`, run: say("lt") },
          ]
        : []),
      ...(isField && table !== "sessions" ? [{ label: t`Sessions with this`, run: () => explorer.sessionsWith(table, column, value) }] : []),
      ...(isField ? [{ label: isShown ? t`Remove the column` : t`Add as column`, run: () => this.toggleColumn(column) }] : []),
      { label: t`Copy`, run: () => copy(typeof value === "object" ? JSON.stringify(value) : String(value)) },
    ];
  }

  toggleColumn(column) {
    const { columns } = this;
    const next = columns.includes(column) ? columns.filter((name) => name !== column) : [...columns, column];
    this.setColumns(next);
  }

  /** `byKey`: the focus stays on its head. */
  moveColumn(column, to, byKey = false) {
    const columns = this.columns.filter((one) => one !== column);
    columns.splice(to, 0, column);
    this.setColumns(columns);
    if (byKey) this.rows.drawn.tHead.rows[0].cells[to + 1].querySelector("button").focus();
  }

  setColumns(columns) {
    go(explorerAddress({ ...this.state, columns }));
  }

  chooseColumns() {
    const offered = ["user", ...this.fields.keys()];
    const box = (name) => {
      const tick = h("input", { type: "checkbox", onchange: () => this.toggleColumn(name) });
      tick.checked = this.columns.includes(name);
      const move = (step) => () => this.moveColumn(name, Math.max(0, this.columns.indexOf(name) + step));
      const arrow = (words, sign, step) => h("button", { type: "button", class: "button plain small", "aria-label": t`Move ${head(name, this.table)} to the ${words}`, title: t`Further ${words}`, onclick: move(step) }, icon(sign));
      const moving = tick.checked ? [arrow(t`left`, "back", -1), arrow(t`right`, "next", 1)] : [];
      return h("div", { class: "tick-row" }, h("label", { class: "tick", title: this.fields.get(name)?.doc ?? null }, tick, head(name, this.table)), moving);
    };
    const ticks = offered.map(box);
    const list = h("div", { class: "ticks" }, ticks);
    const find = h("input", { type: "search", class: "input", placeholder: t`Find a field`, "aria-label": t`Find a field` });
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLowerCase();
      for (const [index, child] of ticks.entries()) child.hidden = !offered[index].includes(wanted.replaceAll(" ", "_")) && !head(offered[index], this.table).toLowerCase().includes(wanted);
    });
    const usual = h("button", { class: "button", type: "button", onclick: () => this.setColumns(null) }, t`Default columns`);
    openPanel(this.columnsButton, t`Columns`, find, list, usual);
  }

  async saveCsv() {
    const { saveCsv } = await import("./csv.js");
    try {
      await saveCsv(this.table, this.columns, this.fields, (cursor) => api.list(this.table, this.query({ sort: this.state.sort, limit: 500, ...(cursor && { cursor }) })));
    } catch (error) {
      this.explorer.fail(error);
    }
  }
}
