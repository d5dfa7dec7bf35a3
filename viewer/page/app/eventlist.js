// The list at the player's left: pages, actions, errors and console; a click jumps, the present one is marked.

import { h, icon, show } from "./dom.js";
import { isRage, KINDS } from "./entries.js";
import { position } from "./format.js";
import { t } from "./texts.js";

const SHOWN = ["view", "action", "error", "console"];
const REPEATED = ["error", "console"];

export class EventList {
  /** `jump(entry)`; `details(entry)`. */
  constructor(epoch, jump, details) {
    this.epoch = epoch;
    this.jump = jump;
    this.details = details;
    this.kinds = new Set(SHOWN);
    this.list = h("ol", { class: "events", tabindex: 0, "aria-label": t`Pages, actions, errors and console` });
    this.filters = h("div", { class: "event-filters", role: "group", "aria-label": t`Shown` });
    this.element = h("aside", { class: "event-list", id: "event-list", "aria-label": t`Events` }, this.filters, this.list);
  }

  /** `tabOf(entry)`: name of its tab, when there are several; `isRecorded(entry)`: there is a picture of its moment. */
  setEntries(entries, tabOf = (_entry) => null, isRecorded = (_entry) => true) {
    this.tabOf = tabOf;
    this.isRecorded = isRecorded;
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
    this.moments = this.entries.flatMap((entry, place) => entry.same.map(({ at }) => ({ at, place }))).sort((a, b) => a.at - b.at);
    this.items = this.entries.map((entry) => this.item(entry));
    this.list.classList.toggle(
      "is-long",
      this.entries.some((entry) => entry.at - this.epoch >= 3_600_000),
    );
    show(this.list, this.items.length ? this.items : h("li", { class: "empty" }, t`No events of these types`));
    this.present = -1;
  }

  item(entry) {
    const { kind, title, at, same } = entry;
    const isLost = !this.isRecorded(entry);
    const main = h(
      "button",
      { type: "button", class: "event-main", onclick: () => this.jump(entry), title: isLost ? t`${title} (not recorded)` : title },
      h("span", { class: "event-time" }, position(at - this.epoch)),
      h("span", { class: "event-icon" }, icon(isRage(entry) ? "rage" : KINDS[kind].icon)),
      h(
        "span",
        { class: "event-words" },
        h("span", { class: "visually-hidden" }, `${KINDS[kind].one}: `),
        h("span", { class: "event-title" }, title),
        same.length > 1 ? h("span", { class: "event-times" }, t`${same.length} times`) : null,
        detail(entry, this.tabOf(entry)),
        isLost ? h("span", { class: "event-lost" }, t`not recorded`) : null,
      ),
    );
    const more = h("button", { type: "button", class: "event-more", "aria-label": t`Details of ${KINDS[kind].one.toLowerCase()} ${title}`, title: t`Details (i)`, onclick: () => this.details(entry, more) }, icon("details"));
    return h("li", { class: `event ${kind}${isRage(entry) ? " rage" : ""}${entry.isFailed ? " failed" : ""}${isLost ? " unrecorded" : ""}` }, main, more);
  }

  /** Mark the entry of the moment; `aimed` is one that was jumped to and comes in a second. */
  update(at, aimed = null) {
    const due = this.moments.findLast((one) => one.at <= at + 50)?.place ?? -1;
    const own = aimed === null ? -1 : this.entries.findIndex((entry) => entry.same.some((one) => one.at === aimed.at && one.title === aimed.title));
    const present = own < 0 ? due : own;
    if (present === this.present) return;
    this.items[this.present]?.removeAttribute("aria-current");
    this.present = present;
    const item = this.items[present];
    if (!item) return;
    item.setAttribute("aria-current", "true");
    const [box, place] = [this.list.getBoundingClientRect(), item.getBoundingClientRect()];
    const isSeen = place.top >= box.top && place.bottom <= box.bottom;
    if (!isSeen && !this.list.matches(":hover")) this.list.scrollTop += place.top - box.top - box.height / 3;
  }

  /** The entry that is marked. */
  get marked() {
    return this.entries[this.present] ?? null;
  }

  /** The entry `step` before or after the moment, every one of a group by itself. */
  neighbour(at, step) {
    const single = this.entries.flatMap((entry) => entry.same).sort((a, b) => a.at - b.at);
    return step > 0 ? single.find((entry) => entry.at > at + 300) : single.findLast((entry) => entry.at < at - 300);
  }
}

/** What stands below the title; in a session of several tabs also which one. */
function detail(entry, tab) {
  const words = [tab, entry.kind === "view" ? "" : entry.detail].filter(Boolean).join(" · ");
  return words ? h("span", { class: "event-detail" }, words) : null;
}

/** Equal errors or lines of the console on one page become one entry; `same` has all of them. */
function grouped(entries) {
  const groups = [];
  let onPage = new Map();
  for (const entry of entries) {
    if (entry.kind === "view") onPage = new Map();
    const key = REPEATED.includes(entry.kind) ? [entry.kind, entry.title, entry.detail].join("\n") : null;
    const known = key === null ? undefined : onPage.get(key);
    if (known) {
      known.same.push(entry);
      continue;
    }
    const group = { ...entry, same: [entry] };
    groups.push(group);
    if (key !== null) onPage.set(key, group);
  }
  return groups;
}
