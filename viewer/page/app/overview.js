// The overview of an application: who came, how fast it was, what went wrong, and by what it differs. Every number leads to the list that it counts.

import { api } from "./api.js";
import { explorerAddress, nothingChosen, pair } from "./address.js";
import { head } from "./columns.js";
import { h, icon, show } from "./dom.js";
import { count, duration, durationNs } from "./format.js";
import { sparkline } from "./sparkline.js";
import { leadAddress } from "./lead.js";
import { wantStyle } from "./styles.js";
import { t } from "./texts.js";

const TOP = 8;
/** Name, meaning, where good and fair end, column. @type {Record<string, [string, string, number, number, string]>} */
const VITALS = {
  lcp: ["LCP", t`Largest contentful paint`, 2500, 4000, "largest_contentful_paint"],
  inp: ["INP", t`Interaction to next paint`, 200, 500, "interaction_to_next_paint"],
  cls: ["CLS", t`Cumulative layout shift`, 0.1, 0.25, "cumulative_layout_shift"],
};
const RATINGS = { good: "good", middle: "fair", poor: "bad" };
const RATED = { good: t`good`, middle: t`middle`, poor: t`poor` };
const percent = (share) => (share === null ? "–" : `${Number((share * 100).toPrecision(share < 0.1 ? 2 : 3))} %`);

export class Overview {
  constructor(explorer) {
    this.explorer = explorer;
    this.note = h("p", { class: "hint", role: "status" });
    this.head = h("div", { class: "bar-row" }, explorer.filterButton, explorer.chips, h("span", { class: "grow" }), this.note);
    this.place = h("div", { class: "overview" });
    this.element = h("section", { class: "results whole" }, this.head, this.place);
  }

  keys() {
    return [];
  }

  leave() {}

  redraw(state) {
    this.state = state;
  }

  async read(state, query, signal) {
    this.state = state;
    await wantStyle("overview");
    this.place.setAttribute("aria-busy", "true");
    const found = await api.list("overview", query({ top: TOP }), signal);
    this.place.removeAttribute("aria-busy");
    show(
      this.place,
      this.numbers(found),
      this.vitals(found),
      this.errors(found),
      this.slow(t`Slowest pages`, t`Pages`, found.slowest_pages, t`p75 of loading time`, "-loading_time"),
      this.slow(t`Slowest resources`, t`Resources`, found.slowest_resources, t`p75 of duration`, "-duration"),
      Object.entries(found.breakdowns).map(([column, rows]) => this.breakdown(column, rows)),
    );
  }

  /** `more`: attributes of the link, and `sort`, the order of its list. @param {Record<string, string>} more */
  link(lead, content, more = {}) {
    const { sort = "", ...attributes } = more;
    return h("a", { href: leadAddress(lead, this.state, sort), "data-inside": true, ...attributes }, content);
  }

  /** A p75 leads to the views, worst first. */
  p75(vital, views, more = {}) {
    return vital && vital.p75 !== null ? this.link(views, vitalText(vital), { sort: `-${VITALS[vital.name][4]}`, ...more }) : "–";
  }

  numbers({ visitors, sessions, views, errors, bounce, sessions_with_errors: broken }) {
    const tile = (words, lead, value, hint = "", kind = "") => h("li", { class: `card tile ${kind}` }, this.link(lead, [h("span", { class: "tile-name" }, words), h("strong", {}, value), h("span", { class: "hint" }, hint)]));
    return h(
      "ul",
      { class: "tiles", "aria-label": t`Numbers` },
      tile(t`Visitors`, visitors, count(visitors.value)),
      tile(t`Sessions`, sessions, count(sessions.value)),
      tile(t`Views`, views, count(views.value)),
      tile(t`Bounce rate`, bounce, percent(bounce.rate), t`${count(bounce.value)} sessions of one page`),
      tile(t`Errors`, errors, count(errors.value)),
      tile(t`Sessions with errors`, broken, percent(broken.rate), t`${count(broken.value)} sessions`, broken.value ? "bad" : ""),
    );
  }

  vitals({ vitals, views }) {
    const card = (vital) => {
      const [name, meaning, good, fair] = VITALS[vital.name];
      const kind = vital.p75 === null ? "" : vital.p75 <= good ? "good" : vital.p75 <= fair ? "fair" : "bad";
      const share = (one) =>
        this.link(one, [h("span", { class: "visually-hidden" }, `${name} `), h("span", { class: `swatch ${RATINGS[one.rating]}` }), `${RATED[one.rating]} ${percent(one.share)}`, h("span", { class: "facet-count" }, count(one.count))], {
          class: "vital-share",
        });
      return h(
        "section",
        { class: "card vital-card", "aria-label": meaning },
        h("h2", {}, name, h("span", { class: "hint" }, meaning)),
        h("p", {}, h("strong", {}, this.p75(vital, views, { class: `p75 ${kind}` })), h("span", { class: "hint" }, t` p75 of ${count(vital.count)} views`)),
        h(
          "div",
          { class: "shares-bar", "aria-hidden": "true" },
          vital.shares.map((one) => h("span", { class: RATINGS[one.rating], style: { width: `${(one.share ?? 0) * 100}%` } })),
        ),
        h("div", { class: "vital-shares" }, vital.shares.map(share)),
      );
    };
    return h("div", { class: "vital-cards" }, vitals.map(card));
  }

  errors({ top_errors: groups, error_groups: total }) {
    const line = (group) => {
      const title = group.message || group.error_type || t`Errors without a message`;
      const base = this.explorer.carried("sessions");
      const sessions = explorerAddress({ ...base, app: group.app_id, has: [...base.has, `errors.error_fingerprint:${group.fingerprint ?? ""}`] });
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, this.link(group, title, { title })),
        h("td", {}, sparkline(group.trend)),
        h("td", { class: "number" }, this.link(group, count(group.count))),
        h("td", { class: "number" }, h("a", { href: sessions, "data-inside": true }, count(group.sessions))),
        h(
          "td",
          { class: "number" },
          group.releases.slice(0, 2).map(({ value }, place) => [place ? ", " : "", this.link(ofRelease(group, value), value ?? t`unknown`)]),
        ),
      );
    };
    const all = h("a", { class: "button small", href: explorerAddress(this.explorer.carried("groups")), "data-inside": true }, icon("list"), t`All ${count(total)}`);
    return this.table(t`Top errors`, [t`Error`, t`Trend`, t`Errors`, t`Sessions`, t`Releases`], groups.map(line), all);
  }

  slow(title, name, rows, words, sort) {
    const line = (one) =>
      h("tr", {}, h("th", { scope: "row" }, this.link(one, one.value, { title: one.value })), h("td", { class: "number" }, this.link(one, durationNs(one.p75_ns), { sort })), h("td", { class: "number" }, this.link(one, count(one.count))));
    return this.table(title, [name, words, t`Count`], rows.map(line));
  }

  breakdown(column, rows) {
    const vital = (row, name) =>
      this.p75(
        row.vitals.find((one) => one.name === name),
        row.views,
      );
    const line = (row) => {
      const only = explorerAddress({ ...nothingChosen("overview"), ...pick(this.state), is: [...this.state.is.filter((one) => !one.startsWith(`${column}:`)), pair(column, row.value ?? "")] });
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, h("a", { href: only, "data-inside": true, title: t`Only ${row.value ?? t`unknown`}` }, row.value ?? t`unknown`)),
        [row.sessions, row.views, row.errors].map((one) => h("td", { class: "number" }, this.link(one, count(one.value)))),
        h("td", { class: "number" }, this.link(row.sessions_with_errors, percent(row.sessions_with_errors.rate))),
        ["lcp", "inp", "cls"].map((name) => h("td", { class: "number" }, vital(row, name))),
      );
    };
    return this.table(t`By ${head(column).toLowerCase()}`, [head(column), t`Sessions`, t`Views`, t`Errors`, t`With errors`, "LCP", "INP", "CLS"], rows.map(line));
  }

  table(title, heads, lines, more = null) {
    const table = h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((words, place) => h("th", { scope: "col", class: place ? "number" : null }, words)),
        ),
      ),
      h("tbody", {}, lines),
    );
    return h(
      "section",
      { class: "card numbers-card", "aria-label": title },
      h("h2", {}, title, h("span", { class: "grow" }), more),
      lines.length ? h("div", { class: "numbers-scroll", tabindex: 0, role: "region", "aria-label": t`${title}, table` }, table) : h("p", { class: "hint" }, t`Nothing to count.`),
    );
  }
}

/** The errors of a group in one release. */
const ofRelease = ({ route, filter }, release) => ({ route, filter: { ...filter, is: [...(filter.is ?? []), pair("version", release ?? "")] } });

const pick = ({ app, range, from, to, q, every, not, gt, lt, between }) => ({ app, range, from, to, q, every, not, gt, lt, between });

function vitalText(vital) {
  return vital.unit === "ms" ? duration(vital.p75) : String(Number(vital.p75.toFixed(3)));
}
