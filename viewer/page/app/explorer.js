// The session explorer: filters, chart, facets, list.

import { account } from "./account.js";
import { api } from "./api.js";
import { explorerAddress, explorerState, go, pair, sessionAddress } from "./address.js";
import { Chart } from "./chart.js";
import { DEFAULT_COLUMNS, head } from "./columns.js";
import { h, icon, show } from "./dom.js";
import { facetColumns, Facets } from "./facets.js";
import { count, duration, label, span } from "./format.js";
import { bindKeys, showHelp } from "./keys.js";
import { closeMenu, openPanel } from "./menu.js";
import { filterChips, Table } from "./table.js";
import { localInput, moments, RANGES, usualRange } from "./timerange.js";

const PAGE_SIZE = 50;
const BUCKETS = 90;
const FACET_VALUES = 8;

export class Explorer {
  constructor(page, fields, apps, fail) {
    this.fields = fields;
    this.apps = apps;
    this.fail = fail;
    this.chart = new Chart((from, to) => this.change({ range: "", from: String(from), to: String(to) }));
    this.facets = new Facets(fields, (column, value, kind) => this.filter(column, value, kind));
    this.table = new Table(fields, {
      filter: (column, value, kind) => this.filter(column, value, kind),
      sort: (column) => this.change({ sort: this.state.sort === `-${column}` ? column : `-${column}` }),
      toggle: (column) => this.toggleColumn(column),
      open: (address) => go(address),
    });
    this.build(page);
    document.title = "Sessions · Replay Lake";
    bindKeys(this.keys());
  }

  accepts(wanted) {
    return wanted === null;
  }

  leave() {
    this.request?.abort();
    this.chart.leave();
  }

  keys() {
    const open = (kind) => () => this.table.chosen(kind) && go(this.table.chosen(kind));
    return [
      { keys: ["j", "ArrowDown"], does: "next session", run: () => this.table.move(1) },
      { keys: ["k", "ArrowUp"], does: "previous session", run: () => this.table.move(-1) },
      { keys: ["ArrowRight"], does: "next value of the session", run: () => this.table.moveInRow(1) },
      { keys: ["ArrowLeft"], does: "previous value of the session", run: () => this.table.moveInRow(-1) },
      { keys: ["Enter"], does: "details of the session", run: open("details") },
      { keys: ["p", " "], does: "play the session", run: open("play") },
      { keys: ["/"], does: "search", run: () => this.search.focus() },
      { keys: ["n"], does: "older sessions", run: () => this.next.disabled || this.next.click() },
      { keys: ["r"], does: "read again", run: () => this.update() },
    ];
  }

  build(page) {
    this.search = h("input", { type: "search", class: "input", placeholder: "Search users, pages, ids …", "aria-label": "Search sessions" });
    this.appChoice = h("select", { class: "input", "aria-label": "Application", onchange: () => this.change({ app: this.appChoice.value }) });
    this.rangeChoice = h("select", { class: "input", "aria-label": "Time range", onchange: () => this.chooseRange() });
    this.chips = h("div", { class: "chips" });
    this.total = h("p", { class: "total", role: "status" });
    this.columnsButton = h("button", { class: "button", type: "button", "aria-haspopup": "dialog", onclick: () => this.chooseColumns() }, icon("columns"), "Columns");
    this.liveButton = h("button", { class: "button live", type: "button", "aria-haspopup": "dialog", onclick: () => this.showLive() }, h("span", { class: "live-dot", "aria-hidden": "true" }), "Live now");
    this.next = h("button", { class: "button", type: "button", onclick: () => this.change({ cursor: this.nextCursor }) }, "Older", icon("next"));
    this.first = h("button", { class: "button", type: "button", onclick: () => this.change({ cursor: "" }) }, icon("back"), "First page");
    this.empty = h("div", { class: "empty", hidden: true }, h("p", {}, "No matching sessions."), h("button", { class: "button", type: "button", onclick: () => this.reset() }, "Remove all filters"));
    const searching = h("form", { class: "search", role: "search", onsubmit: (event) => (event.preventDefault(), this.change({ q: this.search.value.trim() })) }, icon("search"), this.search);
    const help = h("button", { class: "button plain", type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: showHelp }, icon("help"));
    const brand = h("a", { class: "brand", href: "/", "data-inside": true }, h("img", { src: "/page/icon.svg", alt: "", width: 22, height: 22 }), "Replay Lake");
    show(
      page,
      h("header", { class: "top" }, brand, this.appChoice, searching, this.rangeChoice, account(), help),
      h(
        "main",
        { class: "explorer" },
        this.facets.element,
        h(
          "section",
          { class: "results" },
          h("h1", { class: "visually-hidden" }, "Sessions"),
          this.chart.element,
          h("div", { class: "bar-row" }, this.total, this.chips, h("span", { class: "grow" }), this.liveButton, this.columnsButton),
          this.table.element,
          this.empty,
          h("nav", { class: "paging", "aria-label": "Pages of the list" }, this.first, this.next),
        ),
      ),
    );
  }

  /** Read the address and show what it says. */
  async update() {
    this.state = explorerState();
    sessionStorage.setItem("replaylake.explorer", location.pathname + location.search);
    this.request?.abort();
    this.request = new AbortController();
    const { signal } = this.request;
    this.controls();
    const now = Date.now();
    const page = { sort: this.state.sort, limit: this.state.limit || PAGE_SIZE, ...(this.state.cursor && { cursor: this.state.cursor }) };
    this.table.element.setAttribute("aria-busy", "true");
    try {
      const listed = api.sessions(this.query(now, page), signal).then((answer) => this.list(answer));
      await Promise.all([listed, this.around(now, signal)]);
    } catch (error) {
      this.fail(error);
    }
  }

  async around(now, signal) {
    const columns = facetColumns(this.fields);
    const [histogram, facets] = await Promise.all([api.histogram(this.query(now, { buckets: BUCKETS }), signal), columns.length ? api.facets(this.query(now, { columns: columns.join(","), top: FACET_VALUES }), signal) : { facets: {} }]);
    this.chart.update(histogram);
    this.facets.update(facets.facets, this.state);
  }

  query(now, extra) {
    const { app, q, is, not, gt, lt } = this.state;
    const parameters = new URLSearchParams({ ...(app && { app }), ...moments(this.state, this.apps, now), ...(q && { q }), ...extra });
    for (const [name, pairs] of Object.entries({ is, not, gt, lt })) for (const one of pairs) parameters.append(name, one);
    return parameters;
  }

  controls() {
    const { state } = this;
    this.search.value = state.q;
    show(
      this.appChoice,
      h("option", { value: "" }, "All apps"),
      this.apps.map(({ app_id: id }) => h("option", { value: id }, id)),
    );
    this.appChoice.value = state.app;
    const custom = Boolean(state.from || state.to);
    const text = custom ? span(Number(state.from) || this.apps[0]?.first_ms || 0, Number(state.to) || Date.now()) : "Between two moments …";
    show(
      this.rangeChoice,
      RANGES.map(([name, words]) => h("option", { value: name }, words)),
      h("option", { value: "custom" }, text),
    );
    this.rangeChoice.value = custom ? "custom" : state.range || usualRange(this.apps, Date.now());
    show(
      this.chips,
      filterChips(state, this.fields, (kind, one) => this.change({ [kind]: this.state[kind].filter((other) => other !== one) })),
    );
  }

  list({ sessions, next, total }) {
    const columns = this.state.columns ?? this.usualColumns();
    this.nextCursor = next;
    this.table.update(sessions, columns, this.state);
    this.table.element.removeAttribute("aria-busy");
    this.next.disabled = !next;
    this.first.hidden = !this.state.cursor;
    this.empty.hidden = sessions.length > 0;
    this.table.element.hidden = sessions.length === 0;
    this.total.textContent = typeof total === "number" ? `${count(total)} ${total === 1 ? "session" : "sessions"}` : `${sessions.length} sessions shown`;
  }

  usualColumns() {
    return this.state.app || this.apps.length < 2 ? DEFAULT_COLUMNS : [...DEFAULT_COLUMNS, "app_id"];
  }

  /** Change the state; anything but the cursor begins at the first page again. */
  change(part) {
    go(explorerAddress({ ...this.state, cursor: "", ...part }));
  }

  reset() {
    this.change({ q: "", is: [], not: [], gt: [], lt: [], from: "", to: "", range: "all" });
  }

  filter(column, value, kind) {
    const one = pair(column, value);
    const has = this.state[kind].includes(one);
    const other = kind === "is" ? "not" : "is";
    this.change({
      [kind]: has ? this.state[kind].filter((known) => known !== one) : [...this.state[kind], one],
      [other]: this.state[other].filter((known) => known !== one),
    });
  }

  toggleColumn(column) {
    const columns = this.state.columns ?? this.usualColumns();
    const next = columns.includes(column) ? columns.filter((name) => name !== column) : [...columns, column];
    go(explorerAddress({ ...this.state, columns: next }));
  }

  chooseColumns() {
    const columns = this.state.columns ?? this.usualColumns();
    const offered = ["user", ...this.fields.keys()];
    const box = (name) => {
      const tick = h("input", { type: "checkbox", onchange: () => this.toggleColumn(name) });
      tick.checked = columns.includes(name);
      const field = this.fields.get(name);
      return h("label", { class: "tick", title: field?.doc ?? null }, tick, (DEFAULT_COLUMNS.includes(name) ? head : label)(name, field));
    };
    const ticks = offered.map(box);
    const list = h("div", { class: "ticks" }, ticks);
    const find = h("input", { type: "search", class: "input", placeholder: "Find a field", "aria-label": "Find a field" });
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLowerCase().replaceAll(" ", "_");
      for (const [index, child] of ticks.entries()) child.hidden = !offered[index].includes(wanted);
    });
    const usual = h("button", { class: "button", type: "button", onclick: () => go(explorerAddress({ ...this.state, columns: null })) }, "Default columns");
    openPanel(this.columnsButton, "Columns", find, list, usual);
  }

  /** Sessions that go on are not in the list, which holds closed ones. */
  async showLive() {
    try {
      const { sessions, complete } = await api.live(this.state.app ? { app: this.state.app } : {});
      const words = (one) => [one.user_name || one.userid || "Unknown visitor", one.view_url, one.browser, one.country].filter(Boolean).join(" · ");
      const link = (one) =>
        h(
          "li",
          {},
          h("a", { href: sessionAddress({ app: one.app_id, id: one.session_id }), "data-inside": true, title: one.session_id, onclick: closeMenu }, words(one)),
          h("span", { class: "hint" }, ` ${duration(Math.max(0, Date.now() - one.received_ms))} ago`),
        );
      const list = sessions.length ? h("ul", { class: "live-list" }, sessions.map(link)) : h("p", { class: "hint" }, "Nobody was heard of in the last two minutes.");
      openPanel(this.liveButton, "Live now", list, complete ? null : h("p", { class: "hint" }, "There are more."));
    } catch (error) {
      this.fail(error);
    }
  }

  chooseRange() {
    const chosen = this.rangeChoice.value;
    if (chosen !== "custom") return this.change({ range: chosen, from: "", to: "" });
    const usual = { from_ms: Date.now() - 86_400_000, step_ms: 86_400_000, buckets: [0] };
    const { from_ms: from, step_ms: step, buckets } = this.chart.data?.buckets.length ? this.chart.data : usual;
    const start = h("input", { type: "datetime-local", class: "input", step: 1, value: localInput(this.state.from || from) });
    const end = h("input", { type: "datetime-local", class: "input", step: 1, value: localInput(this.state.to || from + step * buckets.length) });
    const moment = (field) => (field.value ? String(new Date(field.value).getTime()) : "");
    const use = (event) => (event.preventDefault(), this.change({ range: "", from: moment(start), to: moment(end) }));
    openPanel(this.rangeChoice, "Time range", h("form", { class: "range-form", onsubmit: use }, h("label", {}, "From", start), h("label", {}, "To", end), h("button", { class: "button primary" }, "Use")));
  }
}
