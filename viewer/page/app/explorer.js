// The explorer: what is asked for (app, words, range, filters) and below it one of the lists, the groups of errors, or the overview.

import { account } from "./account.js";
import { api } from "./api.js";
import { explorerAddress, explorerState, FILTERS, go, listOf, pair, sessionAddress, splitPair } from "./address.js";
import { carry } from "./carry.js";
import { filterChips, GROUP } from "./chips.js";
import { announce, h, icon, show } from "./dom.js";
import { appName, duration, span } from "./format.js";
import { bindKeys, showHelp } from "./keys.js";
import { List } from "./list.js";
import { LISTS } from "./lists.js";
import { closeMenu, openPanel } from "./menu.js";
import { settings } from "./settings.js";
import { t } from "./texts.js";
import { moments, RANGES, usualRange } from "./timerange.js";
import { fromLocal, localText } from "./zone.js";

const TABS = { overview: t`Overview`, ...Object.fromEntries(Object.entries(LISTS).map(([table, { title }]) => [table, title])) };
const TITLES = { groups: t`Groups of errors`, clicks: t`Click map` };
/** What is no list; the code of each is loaded when it is first wanted. */
const BODIES = {
  overview: () => import("./overview.js").then((module) => module.Overview),
  groups: () => import("./groups.js").then((module) => module.Groups),
  clicks: () => import("./clicks.js").then((module) => module.Clicks),
};
const REFRESHES = { "": t`No refresh`, 10: t`Every 10 s`, 60: t`Every minute`, 300: t`Every 5 min` };

export class Explorer {
  /** `tables`: columns of each list by name. */
  constructor(page, tables, apps, fail) {
    this.tables = tables;
    this.apps = apps;
    this.groupNames = new Map();
    this.fail = fail;
    this.build(page);
  }

  accepts(wanted) {
    return wanted === null;
  }

  leave() {
    this.request?.abort();
    clearTimeout(this.timer);
    this.body?.leave();
    this.isLeft = true;
  }

  build(page) {
    this.search = h("input", {
      type: "search",
      class: "input",
      placeholder: t`Search users, pages, errors, clicks …`,
      title: t`Words that all occur, in ids, users, pages, browser, place, version, or in what happened: errors, clicks, requests, console`,
      "aria-label": t`Search`,
    });
    this.appChoice = h("select", { class: "input", "aria-label": t`Application`, onchange: () => this.change({ app: this.appChoice.value }) });
    this.rangeChoice = h("select", { class: "input", "aria-label": t`Time range`, onchange: () => this.chooseRange() });
    this.refreshChoice = h(
      "select",
      { class: "input refresh", "aria-label": t`Read again`, onchange: () => go(explorerAddress({ ...this.state, every: this.refreshChoice.value })) },
      Object.entries(REFRESHES)
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([value, words]) => h("option", { value }, words)),
    );
    this.chips = h("div", { class: "chips" });
    this.filterButton = h("button", { class: "button", type: "button", "aria-haspopup": "dialog", title: t`Filter (f)`, onclick: () => this.addFilter() }, icon("filter"), t`Filter`);
    this.viewsButton = h("button", { class: "button", type: "button", "aria-haspopup": "dialog", onclick: () => this.showViews() }, icon("star"), t`Saved`);
    this.liveButton = h("button", { class: "button live", type: "button", "aria-haspopup": "dialog", onclick: () => this.showLive() }, h("span", { class: "live-dot", "aria-hidden": "true" }), t`Live now`);
    this.title = h("h1", { class: "visually-hidden" });
    this.tabs = h("nav", { class: "kinds", "aria-label": t`What is shown` });
    this.place = h("main", { class: "explorer" });
    const searching = h("form", { class: "search", role: "search", onsubmit: (event) => (event.preventDefault(), this.change({ q: this.search.value.trim() })) }, icon("search"), this.search);
    const help = h("button", { class: "button plain", type: "button", "aria-label": t`Keys`, title: t`Keys (?)`, onclick: showHelp }, icon("help"));
    const brand = h("a", { class: "brand", href: "/", "data-inside": true }, h("img", { src: "/page/icon.svg", alt: "", width: 22, height: 22 }), "Replay Lake");
    show(
      page,
      h("header", { class: "top" }, brand, this.appChoice, searching, this.rangeChoice, this.refreshChoice, settings(), account(), help),
      h("div", { class: "kinds-row" }, this.tabs, h("div", { class: "kinds-tools" }, this.liveButton, this.viewsButton)),
      this.place,
    );
  }

  keys() {
    return [
      ...this.body.keys(),
      { keys: ["/"], does: t`search`, run: () => this.search.focus() },
      { keys: ["f"], does: t`add a filter`, run: () => this.addFilter() },
      { keys: ["v"], does: t`saved views`, run: () => this.showViews() },
      { keys: ["r"], does: t`read again`, run: () => this.read() },
      ...Object.entries(TABS).map(([table, words], place) => ({ keys: [String(place)], does: words.toLowerCase(), run: () => this.switchTo(table) })),
    ];
  }

  /** Read the address and show what it says. */
  async update() {
    this.state = explorerState();
    sessionStorage.setItem("replaylake.explorer", location.pathname + location.search);
    this.controls();
    const list = explorerAddress({ ...this.state, columns: null, entry: "", of: "", every: "" });
    if (this.shown === list && this.body) return this.body.redraw(this.state);
    this.shown = list;
    await this.read();
  }

  async read() {
    this.request?.abort();
    this.request = new AbortController();
    const { signal } = this.request;
    try {
      await this.openBody();
      if (signal.aborted || this.isLeft) return;
      const now = Date.now();
      await this.body.read(this.state, (extra) => this.query(now, extra), signal);
    } catch (error) {
      this.fail(error);
    }
    this.again();
  }

  /** The body of the address, its code loaded when it is first wanted. */
  async openBody() {
    const { table } = this.state;
    if (this.bodyOf === table) return;
    this.bodyOf = table;
    const Body = await (BODIES[table]?.() ?? List);
    if (this.isLeft || this.bodyOf !== table) return;
    this.body?.leave();
    this.body = new Body(this, table);
    this.title.textContent = TITLES[table] ?? TABS[table];
    document.title = t`${this.title.textContent} · Replay Lake`;
    show(this.place, this.body.element);
    this.body.head.prepend(this.title);
    bindKeys(this.keys());
  }

  /** Relative ranges move on: the list is read again when somebody wants that, and looks. */
  again() {
    clearTimeout(this.timer);
    const every = Number(this.state.every);
    if (!every || this.isLeft) return;
    this.timer = setTimeout(() => (document.hidden || this.state.cursor ? this.again() : this.read()), every * 1000);
  }

  /** What the API is asked. */
  query(now, extra, state = this.state) {
    const { app, q } = state;
    const parameters = new URLSearchParams({ ...(app && { app }), ...moments(state, this.apps, now), ...(q && { q }), ...extra });
    const isOfSessions = state.table === "sessions";
    for (const name of FILTERS) if (isOfSessions || !name.startsWith("has")) for (const one of state[name]) parameters.append(name, one);
    return parameters;
  }

  /** The same of another list. */
  queryOf(table, extra) {
    return this.query(Date.now(), extra, this.carried(table));
  }

  controls() {
    const { state } = this;
    this.search.value = state.q;
    show(
      this.appChoice,
      h("option", { value: "" }, t`All apps`),
      this.apps.map(({ app_id: id }) => h("option", { value: id, title: id }, appName(id))),
    );
    this.appChoice.value = state.app;
    this.refreshChoice.value = Object.hasOwn(REFRESHES, state.every) ? state.every : "";
    const custom = Boolean(state.from || state.to);
    const text = custom ? span(Number(state.from) || this.apps[0]?.first_ms || 0, Number(state.to) || Date.now()) : t`Between two moments …`;
    show(
      this.rangeChoice,
      RANGES.map(([name, words]) => h("option", { value: name }, words)),
      h("option", { value: "custom" }, text),
    );
    this.rangeChoice.value = custom ? "custom" : state.range || usualRange(this.apps, Date.now());
    this.drawChips();
    const isShown = (table) => table === listOf(state.table);
    show(
      this.tabs,
      Object.entries(TABS).map(([table, words]) => {
        const { state: next, left } = carry(state, table, this.tables);
        return h("a", { href: explorerAddress(next), "data-inside": true, "aria-current": isShown(table) ? "page" : null, onclick: () => this.tellLeft(left, words) }, words);
      }),
    );
    this.tabs.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.again();
  }

  drawChips() {
    const remove = (kind, one) => this.change({ [kind]: this.state[kind].filter((other) => other !== one) });
    show(
      this.chips,
      filterChips(this.state, this.tables, remove, (fingerprint) => this.groupName(fingerprint)),
    );
  }

  /** What the errors of a group say; asked for when it is first wanted, null until then. */
  groupName(fingerprint) {
    const known = this.groupNames.get(fingerprint);
    if (known !== undefined) return known;
    this.groupNames.set(fingerprint, null);
    const wanted = this.queryOf("errors", { limit: "1" });
    for (const kind of FILTERS) {
      const others = wanted.getAll(kind).filter((one) => splitPair(one)[0] !== GROUP);
      wanted.delete(kind);
      for (const one of others) wanted.append(kind, one);
    }
    wanted.append("is", pair(GROUP, fingerprint));
    const name = ({ errors: [one] }) => {
      this.groupNames.set(fingerprint, one?.error_message || one?.error_type || null);
      if (!this.isLeft) this.drawChips();
    };
    api.list("errors", wanted).then(name, () => {}); // the number stays
    return null;
  }

  tellLeft(left, words) {
    if (left.length) announce(t`Not for ${words.toLowerCase()}, taken off: ${left.join(", ")}`);
  }

  /** To another list, with the filters that it can take. */
  switchTo(table) {
    const { state, left } = carry(this.state, table, this.tables);
    this.tellLeft(left, TABS[table] ?? table);
    go(explorerAddress(state));
  }

  /** Change the state; anything but the cursor begins at the first page again. */
  change(part) {
    go(explorerAddress({ ...this.state, cursor: "", entry: "", of: "", ...part }));
  }

  reset() {
    this.change({ q: "", ...Object.fromEntries(FILTERS.map((name) => [name, []])), from: "", to: "", range: "all" });
  }

  /** One more filter, or, when it is there, one less; a value is never both wanted and excluded. */
  filter(column, value, kind) {
    const one = pair(column, value);
    const has = this.state[kind].includes(one);
    const other = { is: "not", not: "is", has: "hasnot", hasnot: "has" }[kind];
    this.change({
      [kind]: has ? this.state[kind].filter((known) => known !== one) : [...this.state[kind], one],
      ...(other && { [other]: this.state[other].filter((known) => known !== one) }),
    });
  }

  /** One more filter. */
  add(kind, one) {
    this.change({ [kind]: [...this.state[kind].filter((known) => known !== one), one] });
  }

  /** The state of another list. */
  carried(table) {
    return carry(this.state, table, this.tables).state;
  }

  /** Sessions in which something of this list with that value happened; the other filters hold. */
  sessionsWith(table, column, value) {
    const { state } = carry({ ...this.state, is: this.state.is.filter((one) => splitPair(one)[0] !== column) }, "sessions", this.tables);
    const event = `${table}.${column}:${value}`;
    go(explorerAddress({ ...state, has: [...state.has.filter((one) => one !== event), event] }));
  }

  /** The app as a column where there are several. */
  get isManyApps() {
    return !this.state.app && this.apps.length > 1;
  }

  async addFilter() {
    const { Builder } = await import("./builder.js");
    if (!this.isLeft) new Builder(this, this.filterButton).open();
  }

  async showViews() {
    const { showViews } = await import("./views.js");
    if (!this.isLeft) showViews(this.viewsButton, TABS[this.state.table] ?? this.title.textContent);
  }

  /** Sessions that go on are not in the list, which holds closed ones. */
  async showLive() {
    try {
      const { sessions, complete } = await api.live(this.state.app ? { app: this.state.app } : {});
      const words = (one) => [one.user_name || one.userid || t`Unknown visitor`, one.view_url, one.browser, one.country].filter(Boolean).join(" · ");
      const link = (one) =>
        h(
          "li",
          {},
          h("a", { href: sessionAddress({ app: one.app_id, id: one.session_id }), "data-inside": true, title: one.session_id, onclick: closeMenu }, words(one)),
          h("span", { class: "hint" }, t` ${duration(Math.max(0, Date.now() - one.received_ms))} ago`),
        );
      const list = sessions.length ? h("ul", { class: "live-list" }, sessions.map(link)) : h("p", { class: "hint" }, t`Nobody was heard of in the last two minutes.`);
      openPanel(this.liveButton, t`Live now`, list, complete ? null : h("p", { class: "hint" }, t`There are more.`));
    } catch (error) {
      this.fail(error);
    }
  }

  chooseRange() {
    const chosen = this.rangeChoice.value;
    if (chosen !== "custom") return this.change({ range: chosen, from: "", to: "" });
    const usual = { from_ms: Date.now() - 86_400_000, step_ms: 86_400_000, buckets: [0] };
    const { histogram } = /** @type {List} */ (this.body);
    const { from_ms: from, step_ms: step, buckets } = histogram?.buckets.length ? histogram : usual;
    const start = h("input", { type: "datetime-local", class: "input", step: 1, value: localText(this.state.from || from) });
    const end = h("input", { type: "datetime-local", class: "input", step: 1, value: localText(this.state.to || from + step * buckets.length) });
    const moment = (field) => (field.value ? String(fromLocal(field.value)) : "");
    const use = (event) => (event.preventDefault(), this.change({ range: "", from: moment(start), to: moment(end) }));
    openPanel(this.rangeChoice, t`Time range`, h("form", { class: "range-form", onsubmit: use }, h("label", {}, t`From`, start), h("label", {}, t`To`, end), h("button", { class: "button primary" }, t`Use`)));
  }
}
