// The list at the player's left: pages, actions, errors and console; a click jumps, the present one is marked.

import { h, icon, show } from "./dom.js";
import { isRage, KINDS } from "./entries.js";
import { position } from "./format.js";

const SHOWN = ["view", "action", "error", "console"];
const REPEATED = ["error", "console"];

export class EventList {
  /** `jump(entry)`. */
  constructor(epoch, jump) {
    this.epoch = epoch;
    this.jump = jump;
    this.kinds = new Set(SHOWN);
    this.list = h("ol", { class: "events", tabindex: 0, "aria-label": "Pages, actions, errors and console" });
    this.filters = h("div", { class: "event-filters", role: "group", "aria-label": "Shown" });
    this.element = h("aside", { class: "event-list", id: "event-list", "aria-label": "Events" }, this.filters, this.list);
  }

  /** `tabOf(entry)`: name of the tab that it happened in, or null. */
  setEntries(entries, tabOf = (_entry) => null) {
    this.tabOf = tabOf;
    this.all = entries.filter((entry) => SHOWN.includes(entry.kind));
    this.draw();
  }

  draw() {
    show(
      this.filters,
      SHOWN.map((kind) => {
        const many = this.all.filter((entry) => entry.kind === kind).length;
        const press = () => {
          if (!this.kinds.delete(kind)) this.kinds.add(kind);
          this.draw();
        };
        return h("button", { type: "button", class: `toggle ${kind}`, "aria-pressed": String(this.kinds.has(kind)), onclick: press }, KINDS[kind].many, h("span", { class: "facet-count" }, many));
      }),
    );
    this.entries = grouped(this.all.filter((entry) => this.kinds.has(entry.kind)));
    this.items = this.entries.map((entry) =>
      h(
        "li",
        { class: `event ${entry.kind}${isRage(entry) ? " rage" : ""}${entry.isFailed ? " failed" : ""}` },
        h(
          "button",
          { type: "button", onclick: () => this.jump(entry), title: entry.title },
          h("span", { class: "event-time" }, position(entry.at - this.epoch)),
          h("span", { class: "event-icon" }, icon(isRage(entry) ? "rage" : KINDS[entry.kind].icon)),
          h(
            "span",
            { class: "event-words" },
            h("span", { class: "visually-hidden" }, `${KINDS[entry.kind].one}: `),
            h("span", { class: "event-title" }, entry.title),
            entry.times > 1 ? h("span", { class: "event-times" }, `${entry.times} times`) : null,
            detail(entry, this.tabOf(entry)),
          ),
        ),
      ),
    );
    show(this.list, this.items.length ? this.items : h("li", { class: "empty" }, "No events of these types"));
    this.present = -1;
  }

  /** Mark the entry of the moment. */
  update(at) {
    let present = -1;
    while (present + 1 < this.entries.length && this.entries[present + 1].at <= at + 50) present += 1;
    if (present === this.present) return;
    this.items[this.present]?.removeAttribute("aria-current");
    this.present = present;
    const item = this.items[present];
    if (!item) return;
    item.setAttribute("aria-current", "true");
    const [box, own] = [this.list.getBoundingClientRect(), item.getBoundingClientRect()];
    const isSeen = own.top >= box.top && own.bottom <= box.bottom;
    if (!isSeen && !this.list.matches(":hover")) this.list.scrollTop += own.top - box.top - box.height / 3;
  }

  /** The entry `step` before or after the moment. */
  neighbour(at, step) {
    const [before, after] = [this.entries.filter((entry) => entry.at < at - 300), this.entries.filter((entry) => entry.at > at + 300)];
    return step > 0 ? after[0] : before.at(-1);
  }
}

/** What stands below the title; in a session of several tabs also which one. */
function detail(entry, tab) {
  const words = [tab, entry.kind === "view" ? "" : entry.detail].filter(Boolean).join(" · ");
  return words ? h("span", { class: "event-detail" }, words) : null;
}

/** The same error or line of the console again and again becomes one entry with a number. */
function grouped(entries) {
  const groups = [];
  for (const entry of entries) {
    const last = groups.at(-1);
    if (last && REPEATED.includes(entry.kind) && last.kind === entry.kind && last.title === entry.title && last.detail === entry.detail) last.times += 1;
    else groups.push({ ...entry, times: 1 });
  }
  return groups;
}
