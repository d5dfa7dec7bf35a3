// One line beside the list: what it is, where it comes from (its source), and all its fields; of a view also how it loaded and what happened in it.

import { api } from "./api.js";
import { explorerAddress, nothingChosen, pair } from "./address.js";
import { copy, h, icon, show } from "./dom.js";
import { entryOf, KINDS } from "./entries.js";
import { clockTime, counted, duration, fullTime } from "./format.js";
import { LISTS } from "./lists.js";
import { loading } from "./pages.js";
import { wantStyle } from "./styles.js";
import { addresses } from "./table.js";
import { t } from "./texts.js";
import { entryBody } from "./timeline.js";

const MOST = 500; // lines of a view
const OF_VIEW = ["actions", "errors", "resources", "long_tasks", "console"];
const SHOWN = 100; // of them

export class Entry {
  /** `act`: `close()`, `items(name, value, text)` of a value's menu. */
  constructor(explorer, table, act) {
    this.explorer = explorer;
    this.table = table;
    this.fields = explorer.tables[table];
    this.act = act;
    this.content = h("div", { class: "entry-content" });
    const close = h("button", { type: "button", class: "button plain", "aria-label": t`Close the details`, title: t`Close (Esc)`, onclick: act.close }, icon("close"));
    this.heading = h("h2", { tabindex: -1 });
    this.element = h(
      "section",
      { class: "entry-panel", "aria-label": t`Details`, onkeydown: (event) => event.key === "Escape" && !event.target.matches("input, [role=menuitem]") && act.close() },
      h("div", { class: "entry-head" }, this.heading, close),
      this.content,
    );
  }

  /** `isQuiet`: the focus stays in the list. */
  async show(row, isQuiet) {
    await wantStyle("session");
    if (!row) {
      show(this.heading, t`Not there any more`);
      return show(this.content, h("p", { class: "hint" }, t`This entry is not in the lake, or not one that you may see.`));
    }
    const entry = entryOf(this.table, row);
    this.row = row;
    show(this.heading, h("span", { class: `event-icon ${entry.kind}` }, icon(KINDS[entry.kind].icon)), h("span", {}, entry.title));
    const below = h("div", {});
    show(
      this.content,
      h("p", { class: "hint" }, [KINDS[entry.kind].one, fullTime(row.time), entry.length ? duration(entry.length) : "", entry.detail].filter(Boolean).join(" · ")),
      this.source(row),
      below,
      h("h3", {}, t`Fields`),
      h(
        "div",
        { class: "entry-body" },
        entryBody(entry, this.fields, (name, value, text) => this.act.items(name, value, text)),
      ),
    );
    this.content.scrollTop = 0;
    if (!isQuiet) this.heading.focus({ preventScroll: true });
    const id = this.table === "views" ? row.view_id : null;
    if (id) await this.happened(row, entry, below);
  }

  /** The four ways on. */
  source(row) {
    const { play, details } = addresses(this.table, row);
    const { explorer, table } = this;
    const link = (address, words, sign, kind = "") => h("a", { class: `button ${kind}`, href: address, "data-inside": true }, icon(sign), words);
    const group =
      table === "errors" && row.error_fingerprint
        ? h("button", { type: "button", class: "button", onclick: () => explorer.sessionsWith("errors", "error_fingerprint", row.error_fingerprint) }, icon("list"), t`Sessions with this error`)
        : null;
    const who = [row.user_name || row.user_email || row.userid || t`Unknown visitor`, row.browser, row.os, row.country, row.version].filter(Boolean).join(" · ");
    return h(
      "section",
      { class: "source", "aria-label": t`Source` },
      h("h3", {}, t`Source`),
      h("p", { class: "hint" }, who),
      h(
        "div",
        { class: "actions" },
        row.session_has_replay !== false ? link(play, t`Play at that moment`, "play", "primary") : h("span", { class: "hint" }, t`No replay of this session.`),
        link(details, t`Session details`, "open"),
        h("button", { type: "button", class: "button", onclick: () => explorer.filter("session_id", row.session_id, "is") }, icon("filter"), t`Filter this session`),
        h("button", { type: "button", class: "button", onclick: () => copy(row.session_id) }, icon("copy"), t`Copy session ID`),
        group,
      ),
    );
  }

  /** What happened in a view: how it loaded, and its lines, each leading to its own list. */
  async happened(row, entry, below) {
    const wanted = new URLSearchParams([
      ["app", row.app_id],
      ["is", pair("session_id", row.session_id)],
      ["is", pair("view_id", row.view_id)],
      ["sort", "time"],
      ["limit", String(MOST)],
    ]);
    const answers = await Promise.all(OF_VIEW.map((table) => api.list(table, wanted)));
    if (this.row !== row) return;
    const found = Object.fromEntries(OF_VIEW.map((table, place) => [table, answers[place][table].map((one) => entryOf(table, one))]));
    const part = (table, place) => {
      const { total } = answers[place];
      if (!total || table === "resources") return null;
      const { many, one } = LISTS[table];
      const all = { ...nothingChosen(table), app: row.app_id, range: "all", is: [pair("session_id", row.session_id), pair("view_id", row.view_id)] };
      const line = (at) =>
        h(
          "li",
          { class: at.isFailed ? "failed" : null },
          h("a", { href: explorerAddress({ ...all, entry: at.row[LISTS[table].id] ?? "", of: row.session_id }), "data-inside": true }, h("time", {}, clockTime(at.at)), h("span", {}, at.title)),
        );
      return h(
        "details",
        { class: "lines" },
        h("summary", {}, counted(total, one, many)),
        h("ol", {}, found[table].slice(0, SHOWN).map(line)),
        h("p", {}, h("a", { href: explorerAddress(all), "data-inside": true }, t`All ${many} of this view`)),
      );
    };
    show(below, h("h3", {}, t`Performance`), loading(entry, found.resources, found.long_tasks), h("h3", {}, t`What happened`), OF_VIEW.map(part));
  }
}
