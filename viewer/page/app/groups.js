// Errors of one kind together: how many, whom they hit, since when, in which releases; each leads to its sessions and into a replay.

import { api } from "./api.js";
import { explorerAddress, go, nothingChosen, pair, sessionAddress } from "./address.js";
import { h, icon, show } from "./dom.js";
import { appName, count, counted, fullTime, shortTime } from "./format.js";
import { leadAddress } from "./lead.js";
import { sparkline } from "./sparkline.js";
import { wantStyle } from "./styles.js";
import { t } from "./texts.js";

const SORTS = { count: t`Errors`, sessions: t`Sessions`, users: t`Users`, first_ms: t`First seen`, last_ms: t`Last seen` };
const MOST = 100;

export class Groups {
  constructor(explorer) {
    this.explorer = explorer;
    this.total = h("p", { class: "total", role: "status" });
    const each = h("button", { class: "button", type: "button", title: t`Each error (g)`, onclick: () => explorer.switchTo("errors") }, icon("list"), t`Each error`);
    this.head = h("div", { class: "bar-row" }, this.total, explorer.filterButton, explorer.chips, h("span", { class: "grow" }), each);
    this.place = h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": t`Groups of errors` });
    this.element = h("section", { class: "results whole" }, this.head, this.place);
    this.at = -1;
  }

  keys() {
    const link = (kind) => () => /** @type {HTMLElement | null} */ (this.rows?.[this.at]?.querySelector(`a.${kind}`))?.click();
    return [
      { keys: ["j", "ArrowDown"], does: t`next group`, run: () => this.move(1) },
      { keys: ["k", "ArrowUp"], does: t`previous group`, run: () => this.move(-1) },
      { keys: ["Enter"], does: t`errors of the group`, run: link("errors-of") },
      { keys: ["s"], does: t`sessions of the group`, run: link("sessions-of") },
      { keys: ["p", " "], does: t`play its latest error`, run: link("play-button") },
      { keys: ["g"], does: t`each error`, run: () => this.explorer.switchTo("errors") },
    ];
  }

  leave() {}

  async read(state, query, signal) {
    this.state = state;
    await wantStyle("overview");
    const sort = Object.hasOwn(SORTS, state.sort.replace(/^-/, "")) ? state.sort : "-count";
    const answer = await api.list("errors/groups", query({ sort, limit: MOST }), signal);
    this.total.textContent = counted(answer.total, t`group`, t`groups`) + (answer.total > answer.groups.length ? t`, ${answer.groups.length} shown` : "");
    this.rows = answer.groups.map((group) => this.row(group));
    const headOf = ([name, words]) => {
      const [down, up] = [sort === `-${name}`, sort === name];
      const turn = () => go(explorerAddress({ ...this.state, sort: down ? name : `-${name}` }));
      return h(
        "th",
        { scope: "col", class: "number", "aria-sort": down ? "descending" : up ? "ascending" : null },
        h("button", { type: "button", class: "sort", onclick: turn }, words, h("span", { class: "arrow", "aria-hidden": "true" }, down ? "↓" : up ? "↑" : "")),
      );
    };
    const fixed = (words) => h("th", { scope: "col" }, h("span", { class: "sort" }, words));
    const heads = h("tr", {}, h("th", { class: "play-column" }, h("span", { class: "visually-hidden" }, t`Replay`)), fixed(t`Error`), fixed(t`Trend`), Object.entries(SORTS).map(headOf), fixed(t`Releases`), fixed(t`Browsers`));
    show(this.place, this.rows.length ? h("table", { class: "sessions groups" }, h("thead", {}, heads), h("tbody", {}, this.rows)) : h("p", { class: "empty" }, t`No matching errors.`));
    this.at = -1;
  }

  redraw(state) {
    this.state = state;
  }

  row(group) {
    const { state } = this;
    const { sample } = group;
    const title = group.message || group.error_type || t`Errors without a message`;
    const errors = leadAddress(group, state);
    const play = sessionAddress({ app: sample.app_id, id: sample.session_id, part: sample.session_part || null, tab: "replay", at: sample.time });
    const { range, from: start, to } = state;
    const base = this.explorer.carried("sessions");
    const sessions = explorerAddress({ ...base, app: group.app_id, has: [...base.has, `errors.error_fingerprint:${group.fingerprint ?? ""}`] });
    const values = (column, some) =>
      h(
        "div",
        { class: "shares" },
        some.slice(0, 2).map(({ value, count: number }) => {
          const text = value ?? t`unknown`;
          return h(
            "a",
            {
              class: "share",
              href: explorerAddress({ ...nothingChosen("errors"), range, from: start, to, app: group.app_id, is: [pair("error_fingerprint", group.fingerprint ?? ""), pair(column, value ?? "")] }),
              "data-inside": true,
              title: `${text}: ${count(number)}`,
            },
            h("span", { class: "share-text" }, text),
            h("span", { class: "facet-count" }, count(number)),
          );
        }),
        some.length > 2 ? h("span", { class: "hint" }, `+${some.length - 2}`) : null,
      );
    const time = (ms) => (ms === null ? "–" : h("time", { datetime: new Date(ms).toISOString(), title: fullTime(ms) }, shortTime(ms)));
    const number = (...content) => h("td", { class: "number" }, content);
    return h(
      "tr",
      { tabindex: -1 },
      h("td", { class: "play-column" }, h("a", { class: "play-button", href: play, "data-inside": true, title: t`Play the latest (p)`, "aria-label": t`Play the latest ${title.slice(0, 80)}` }, icon("play"))),
      h(
        "td",
        { class: "group-name" },
        h("a", { class: "errors-of row-link", href: errors, "data-inside": true, title }, title),
        h("span", { class: "hint" }, [group.error_type, this.explorer.isManyApps ? appName(group.app_id) : ""].filter(Boolean).join(" · ")),
      ),
      h("td", {}, sparkline(group.trend)),
      number(h("a", { href: errors, "data-inside": true }, count(group.count))),
      number(h("a", { class: "sessions-of", href: sessions, "data-inside": true }, count(group.sessions))),
      number(h("a", { href: sessions, "data-inside": true }, count(group.users))),
      number(time(group.first_ms)),
      number(time(group.last_ms)),
      h("td", {}, values("version", group.releases)),
      h("td", {}, values("browser", group.browsers)),
    );
  }

  move(step) {
    if (!this.rows?.length) return;
    this.rows[this.at]?.classList.remove("current");
    this.at = Math.max(0, Math.min(this.rows.length - 1, this.at < 0 ? 0 : this.at + step));
    const row = this.rows[this.at];
    row.classList.add("current");
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
}
