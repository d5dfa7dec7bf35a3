// Beside the picture, in time with it: the lines of the console, the requests, and the details of an entry.

import { h, icon, show } from "./dom.js";
import { KINDS } from "./entries.js";
import { clockTime, duration, fullTime, position } from "./format.js";
import { t } from "./texts.js";
import { entryBody } from "./timeline.js";

const AROUND = 400; // rows before and after the moment: a session of four hours has ten thousands
const TABS = { console: t`Console`, network: t`Network`, details: t`Details` };
const LEVELS = [
  ["error", t`Errors`],
  ["warn", t`Warnings`],
  ["other", t`Others`],
];
const KINDS_OF_REQUEST = [
  ["xhr", t`Fetch/XHR`],
  ["other", t`Others`],
];

const levelOf = (entry) => (entry.kind === "error" || entry.row.level === "error" ? "error" : /^warn/.test(entry.row.level ?? "") ? "warn" : "other");
const isXhr = (entry) => /^(xhr|fetch|native|beacon)$/i.test(entry.row.resource_type ?? "");

export class Side {
  /** `jump(entry)`; `items(entry)`: the menus of its fields; `changed()` hears of opening and closing. */
  constructor({ epoch, fields, items, jump, changed }) {
    this.epoch = epoch;
    this.fields = fields;
    this.items = items;
    this.jump = jump;
    this.changed = changed;
    this.console = new Rows({ epoch, jump, details: (entry, from) => this.show(entry, from), name: t`Console`, groups: LEVELS, groupOf: levelOf, row: consoleRow });
    this.network = new Rows({ epoch, jump, details: (entry, from) => this.show(entry, from), name: t`Network`, groups: KINDS_OF_REQUEST, groupOf: (entry) => (isXhr(entry) ? "xhr" : "other"), row: requestRow, onlyFailed: true });
    this.details = h("div", { class: "side-details", tabindex: -1 });
    this.tabs = Object.fromEntries(
      Object.entries(TABS).map(([tab, words]) => [tab, h("button", { type: "button", role: "tab", id: `side-tab-${tab}`, "aria-controls": `side-${tab}`, onclick: () => this.open(tab) }, words, h("span", { class: "facet-count" }))]),
    );
    this.panels = { console: this.console.element, network: this.network.element, details: this.details };
    for (const [tab, panel] of Object.entries(this.panels)) {
      panel.id = `side-${tab}`;
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", `side-tab-${tab}`);
    }
    const bar = h("div", { class: "tabs", role: "tablist", "aria-label": t`Beside the picture`, onkeydown: (event) => this.keys(event) }, Object.values(this.tabs));
    const close = h("button", { type: "button", class: "button plain", "aria-label": t`Close`, title: t`Close (Esc)`, onclick: () => this.close() }, icon("close"));
    this.element = h(
      "aside",
      { class: "side", id: "side", "aria-label": t`Console, network and details`, hidden: true, onkeydown: (event) => event.key === "Escape" && !event.target.matches("input") && (event.stopPropagation(), this.close()) },
      h("div", { class: "side-head" }, bar, h("span", { class: "grow" }), close),
      Object.values(this.panels),
    );
    this.tab = "console";
    this.show(null);
  }

  setEntries(entries) {
    const lines = entries.filter(({ kind }) => kind === "console" || kind === "error");
    const requests = entries.filter(({ kind }) => kind === "resource");
    this.console.setEntries(lines);
    this.network.setEntries(requests);
    this.tabs.console.lastChild.textContent = lines.length;
    this.tabs.network.lastChild.textContent = requests.length;
  }

  get isOpen() {
    return !this.element.hidden;
  }

  open(tab = this.tab) {
    this.tab = tab;
    for (const [name, panel] of Object.entries(this.panels)) panel.hidden = name !== tab;
    for (const [name, button] of Object.entries(this.tabs)) {
      button.setAttribute("aria-selected", String(name === tab));
      button.tabIndex = name === tab ? 0 : -1;
    }
    this.element.hidden = false;
    this.changed();
    this.update(this.at ?? this.epoch, true);
  }

  close() {
    this.element.hidden = true;
    this.changed();
    this.before?.isConnected && this.before.focus();
    this.before = null;
  }

  /** The details of an entry; `from` is the button that asked for them and gets the focus back. */
  show(entry, from = null) {
    if (!entry) return show(this.details, h("p", { class: "empty" }, t`Choose an entry to see its fields here.`));
    const { kind, at, title, length, same = [entry] } = entry;
    const play = h("button", { type: "button", class: "button primary", onclick: () => this.jump(entry) }, icon("play"), t`Play from here`);
    const times =
      same.length > 1
        ? h(
            "div",
            { class: "side-times" },
            h("h3", {}, t`${same.length} times`),
            same.map((one) => h("button", { type: "button", class: "button small", "aria-label": t`Show ${position(one.at - this.epoch)}`, onclick: () => this.jump(one) }, position(one.at - this.epoch))),
          )
        : null;
    show(
      this.details,
      h("h2", {}, h("span", { class: `event-icon ${kind}` }, icon(KINDS[kind].icon)), h("span", {}, title)),
      h("p", { class: "hint" }, [KINDS[kind].one, position(at - this.epoch), clockTime(at), length ? duration(length) : ""].filter(Boolean).join(" · ")),
      h("p", { class: "actions" }, play),
      times,
      h("div", { class: "entry-body" }, entryBody(entry, this.fields, this.items(entry))),
    );
    this.open("details");
    this.before = from;
    this.details.focus({ preventScroll: true });
    this.details.scrollTop = 0;
  }

  update(at, isForced = false) {
    this.at = at;
    if (this.isOpen && this.tab !== "details") this[this.tab].update(at, isForced);
  }

  keys(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const names = Object.keys(TABS);
    const next = names[(names.indexOf(this.tab) + step + names.length) % names.length];
    this.open(next);
    this.tabs[next].focus();
  }
}

/** A list of rows around the moment, with filters; what has happened is set off from what is still to come. */
class Rows {
  constructor({ epoch, jump, details, name, groups, groupOf, row, onlyFailed = false }) {
    this.epoch = epoch;
    this.jump = jump;
    this.details = details;
    this.groups = groups;
    this.groupOf = groupOf;
    this.row = row;
    this.kinds = new Set(groups.map(([kind]) => kind));
    this.failedOnly = false;
    this.from = null; // rows that are drawn: from, and up to
    this.to = 0;
    this.search = h("input", { type: "search", class: "input", placeholder: t`Filter`, "aria-label": t`Filter ${name.toLowerCase()} by text` });
    this.search.addEventListener("input", () => this.filter());
    this.filters = h("div", { class: "event-filters", role: "group", "aria-label": t`Shown in ${name.toLowerCase()}` });
    this.failed = onlyFailed ? h("button", { type: "button", class: "toggle", "aria-pressed": "false", onclick: () => this.toggleFailed() }, t`Failed only`) : null;
    this.list = h("ol", { class: "side-rows", tabindex: 0, "aria-label": name });
    this.element = h("div", { class: "side-panel" }, h("div", { class: "side-bar" }, this.filters, this.search), this.list);
    this.entries = [];
  }

  setEntries(entries) {
    this.entries = entries;
    this.filter();
  }

  toggleFailed() {
    this.failedOnly = !this.failedOnly;
    this.filter();
  }

  filter() {
    const toggle = ([kind, words]) => {
      const press = () => {
        if (!this.kinds.delete(kind)) this.kinds.add(kind);
        this.filter();
      };
      return h("button", { type: "button", class: "toggle", "aria-pressed": String(this.kinds.has(kind)), onclick: press }, words, h("span", { class: "facet-count" }, this.entries.filter((entry) => this.groupOf(entry) === kind).length));
    };
    const focused = [...this.filters.children].indexOf(document.activeElement);
    show(this.filters, this.groups.map(toggle), this.failed);
    if (focused >= 0) this.filters.children[focused].focus();
    this.failed?.setAttribute("aria-pressed", String(this.failedOnly));
    const wanted = this.search.value.trim().toLowerCase();
    const words = ({ title, detail, row }) => [title, detail, row.message, row.resource_url, row.error_stack].filter(Boolean).join(" ").toLowerCase();
    this.shown = this.entries.filter((entry) => this.kinds.has(this.groupOf(entry)) && (!this.failedOnly || entry.isFailed) && (!wanted || words(entry).includes(wanted)));
    this.from = null;
    if (this.at !== undefined) this.update(this.at, true);
  }

  /** Draw the rows around the moment, unless they are there; mark where it is. */
  update(at, isForced = false) {
    this.at = at;
    const passed = this.passed(at);
    const isNear = this.from !== null && passed >= this.from + (this.from ? AROUND / 2 : 0) && passed <= this.to - (this.to < this.shown.length ? AROUND / 2 : 0);
    if (!isNear) this.fill(Math.max(0, passed - AROUND), Math.min(this.shown.length, passed + AROUND));
    else if (passed === this.present && !isForced) return;
    this.present = passed;
    this.items.forEach((item, place) => {
      const number = this.from + place;
      item.classList.toggle("is-later", number >= passed);
      if (number === passed - 1) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    });
    const item = this.items[Math.max(0, passed - 1 - this.from)];
    if (!item || this.list.matches(":hover") || this.list.contains(document.activeElement)) return;
    const [box, own] = [this.list.getBoundingClientRect(), item.getBoundingClientRect()];
    if (own.top < box.top || own.bottom > box.bottom) this.list.scrollTop += own.top - box.top - box.height / 2;
  }

  /** How many rows have begun at a moment. */
  passed(at) {
    const place = this.shown.findIndex((entry) => entry.at > at + 50);
    return place < 0 ? this.shown.length : place;
  }

  fill(from, to) {
    this.from = from;
    this.to = to;
    this.items = this.shown.slice(from, to).map((entry) => this.item(entry));
    const rest = (count, words, act) => (count > 0 ? h("li", { class: "more-rows" }, h("button", { type: "button", class: "button small", onclick: act }, `${count} ${words}`)) : null);
    const earlier = rest(from, t`earlier`, () => (this.fill(Math.max(0, from - AROUND), to), this.update(this.at, true)));
    const later = rest(this.shown.length - to, t`later`, () => (this.fill(from, Math.min(this.shown.length, to + AROUND)), this.update(this.at, true)));
    const none = this.shown.length ? null : h("li", { class: "empty" }, this.entries.length ? t`Nothing fits.` : t`Nothing was recorded of these.`);
    show(this.list, none, earlier, this.items, later);
  }

  item(entry) {
    const main = h("button", { type: "button", class: "side-main", onclick: () => this.jump(entry) }, h("span", { class: "event-time", title: fullTime(entry.at) }, position(entry.at - this.epoch)), this.row(entry));
    const more = h("button", { type: "button", class: "event-more", "aria-label": t`Details of ${entry.title}`, title: t`Details`, onclick: () => this.details(entry, more) }, icon("details"));
    return h("li", { class: `side-row ${levelOf(entry)}${entry.isFailed ? " failed" : ""}` }, main, more);
  }
}

function consoleRow(entry) {
  const text = entry.kind === "error" ? (entry.row.error_message ?? entry.title) : (entry.row.message ?? entry.title);
  return h("span", { class: "side-words" }, h("span", { class: "visually-hidden" }, `${levelOf(entry)}: `), String(text).slice(0, 2000));
}

function requestRow(entry) {
  const { row } = entry;
  return [
    h("span", { class: "side-status" }, row.resource_status || (entry.isFailed ? t`failed` : "–")),
    h("span", { class: "side-words", title: row.resource_url ?? entry.title }, entry.title),
    h("span", { class: "side-length" }, entry.length ? duration(entry.length) : ""),
  ];
}
