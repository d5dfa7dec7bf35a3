// Everything that happened, as a list in order of time: filter by kind and text, open an entry, jump to its moment.

import { h, icon, show } from "./dom.js";
import { isRage, KINDS } from "./entries.js";
import { clockTime, duration, fullTime, position } from "./format.js";
import { propertyList } from "./properties.js";
import { stackBlock } from "./stack.js";
import { t } from "./texts.js";

const BATCH = 250;
/** What every line of a session carries. */
const COMMON = /^(session|received_at|env|service|version|source|sdk|user|is_|os|browser|device|screen|network|time_zone|ip|country|province|city|isp|display|drift|custom_keys|view)/;
const LEFT_OUT = new Set(["app_id", "session_id", "revision", "custom", "error_stack", "error_handling_stack", "error_message", "message", "stack", "time"]);

export class Timeline {
  /** `jump(entry)` or null when there is no replay; `items(entry)` gives the menus of its fields. */
  constructor({ fields, epoch, jump, items }) {
    this.fields = fields;
    this.items = items;
    this.epoch = epoch;
    this.jump = jump;
    this.kinds = new Set(Object.keys(KINDS));
    this.search = h("input", { type: "search", class: "input", placeholder: t`Filter by text`, "aria-label": t`Filter the timeline by text` });
    this.search.addEventListener("input", () => this.draw());
    this.filters = h("div", { class: "event-filters", role: "group", "aria-label": t`Kinds shown` });
    this.list = h("ol", { class: "timeline" });
    this.element = h("section", { class: "timeline-tab", "aria-label": t`Timeline` }, h("div", { class: "bar-row" }, this.filters, h("span", { class: "grow" }), this.search), this.list);
  }

  setEntries(entries) {
    this.entries = entries;
    this.draw();
  }

  /** Open the entry of a moment, Unix ms, and show it. */
  showAt(moment) {
    const place = this.shown.findIndex((entry) => Math.abs(entry.at - moment) < 1);
    if (place < 0) return;
    for (let from = BATCH; from <= place; from += BATCH) this.more(from);
    const item = this.list.children[place];
    this.open(item, this.shown[place], item.querySelector(".entry-main"));
    item.scrollIntoView({ block: "start" });
    item.querySelector(".entry-main").focus({ preventScroll: true });
  }

  draw() {
    show(
      this.filters,
      Object.keys(KINDS).map((kind) => this.toggle(kind)),
    );
    const wanted = this.search.value.trim().toLowerCase();
    const fits = ({ kind, title, detail }) => this.kinds.has(kind) && (!wanted || `${title} ${detail}`.toLowerCase().includes(wanted));
    this.shown = this.entries.filter(fits);
    show(this.list, this.shown.length ? [] : h("li", { class: "empty" }, t`No events to show.`));
    this.more(0);
  }

  toggle(kind) {
    const many = this.entries.filter((entry) => entry.kind === kind).length;
    const press = () => {
      if (!this.kinds.delete(kind)) this.kinds.add(kind);
      this.draw();
    };
    return h("button", { type: "button", class: `toggle ${kind}`, "aria-pressed": String(this.kinds.has(kind)), onclick: press }, KINDS[kind].many, h("span", { class: "facet-count" }, many));
  }

  /** Rows are made in batches: a session of four hours has ten thousands. */
  more(from) {
    this.list.querySelector(".more-rows")?.remove();
    this.list.append(...this.shown.slice(from, from + BATCH).map((entry) => this.row(entry)));
    const next = from + BATCH;
    if (next >= this.shown.length) return;
    const button = h("button", { type: "button", class: "button", onclick: () => this.more(next) }, t`${this.shown.length - next} more`);
    this.list.append(h("li", { class: "more-rows" }, button));
  }

  row(entry) {
    const { kind, at, title, detail, length } = entry;
    const name = `${KINDS[kind].one} ${title}`;
    const toggle = h(
      "button",
      { type: "button", class: "entry-main", "aria-expanded": "false", onclick: () => this.open(item, entry, toggle) },
      h("span", { class: "event-icon" }, icon(isRage(entry) ? "rage" : KINDS[kind].icon)),
      h("span", { class: "entry-words" }, h("span", { class: "visually-hidden" }, `${KINDS[kind].one}: `), h("span", { class: "event-title" }, title), detail ? h("span", { class: "event-detail" }, detail) : null),
    );
    const play = this.jump && h("button", { type: "button", class: "button plain jump", "aria-label": t`Show ${name} in the replay`, title: t`Show in the replay`, onclick: () => this.jump(entry) }, icon("play"));
    const item = h(
      "li",
      { class: `entry ${kind}${isRage(entry) ? " rage" : ""}${entry.isFailed ? " failed" : ""}` },
      h("span", { class: "entry-time" }, h("strong", {}, position(at - this.epoch)), h("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, clockTime(at))),
      toggle,
      h("span", { class: "entry-length" }, length ? duration(length) : ""),
      play,
    );
    return item;
  }

  open(item, entry, toggle) {
    const isOpen = toggle.getAttribute("aria-expanded") === "true";
    toggle.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) return item.querySelector(".entry-body").remove();
    item.append(h("div", { class: "entry-body" }, entryBody(entry, this.fields, this.items(entry))));
  }
}

/** Message, stack and fields of an entry; `items(name, value, text)`: the menu of a field, without it fields are only copied. */
export function entryBody({ kind, row }, fields, items = null) {
  /** @param {[string, unknown]} entry */
  const rank = ([name]) => (name.startsWith(kind) ? 0 : COMMON.test(name) ? 2 : 1);
  const known = Object.entries(row).filter(([name, value]) => !LEFT_OUT.has(name) && value !== null && value !== "");
  known.sort((a, b) => rank(a) - rank(b));
  const extended = Object.entries(row.custom ?? {}).map(([name, value]) => [`custom.${name}`, value]);
  return [
    message(kind === "console" ? row.message : row.error_message),
    stackBlock(t`Stack`, kind === "console" ? row.stack : row.error_stack, row),
    stackBlock(t`Reported at`, row.error_handling_stack, row),
    propertyList(known, fields, items),
    extended.length ? [h("h2", {}, t`Extended fields`), propertyList(extended, fields, items)] : null,
  ];
}

function message(text) {
  return text ? h("pre", { class: "message" }, text) : null;
}
