// Performance of each page: vitals with their rating, loading steps, long tasks, and the waterfall of its resources.

import { explorerAddress, nothingChosen, pair } from "./address.js";
import { h, icon, show } from "./dom.js";
import { bytes, counted, duration, durationNs, NS_PER_MS, position } from "./format.js";
import { t } from "./texts.js";

/** Field, short name, meaning, and where good and fair end (ns; CLS a ratio), after web.dev/articles/vitals. */
/** Column, name, meaning, and what is good and fair. @type {[string, string, string, number, number][]} */
const VITALS = [
  ["largest_contentful_paint", "LCP", t`Largest contentful paint`, 2.5e9, 4e9],
  ["interaction_to_next_paint", "INP", t`Interaction to next paint`, 2e8, 5e8],
  ["cumulative_layout_shift", "CLS", t`Cumulative layout shift`, 0.1, 0.25],
  ["first_contentful_paint", "FCP", t`First contentful paint`, 1.8e9, 3e9],
  ["first_byte", "TTFB", t`Time to first byte`, 8e8, 1.8e9],
  ["first_input_delay", "FID", t`First input delay`, 1e8, 3e8],
];
const STEPS = [
  ["loading_time", t`Loading time`],
  ["dom_interactive", t`DOM interactive`],
  ["dom_content_loaded", t`DOM content loaded`],
  ["dom_complete", t`DOM complete`],
  ["load_event", t`Load event`],
];
/** Parts of a request in their order. */
/** Column, class, words. */
const PHASES = [
  ["resource_redirect", "redirect", t`Redirect`],
  ["resource_dns", "dns", t`Name lookup`],
  ["resource_tcp", "tcp", t`Connecting`],
  ["resource_ssl", "ssl", "TLS"],
  ["resource_ttfb", "ttfb", t`First byte`],
  ["resource_trans", "trans", t`Download`],
];
const WATERFALL_ROWS = 60;

export class Pages {
  constructor({ epoch, jump }) {
    this.epoch = epoch;
    this.jump = jump;
    this.element = h("section", { class: "pages-tab", "aria-label": t`Pages` });
  }

  setEntries(entries) {
    const of = (kind) => entries.filter((entry) => entry.kind === kind);
    const [views, resources, tasks, errors] = ["view", "resource", "long_task", "error"].map(of);
    const inView = (some, view) => some.filter((entry) => entry.row.view_id === view.row.view_id);
    show(this.element, views.length ? views.map((view, place) => this.page(view, place === 0, inView(resources, view), inView(tasks, view), inView(errors, view))) : h("p", { class: "empty" }, t`No pages were reported.`));
  }

  page(view, isOpen, resources, tasks, errors) {
    const play = this.jump && h("button", { type: "button", class: "button plain jump", "aria-label": t`Show page ${view.title} in the replay`, title: t`Show in the replay`, onclick: () => this.jump(view) }, icon("play"));
    const facts = [view.length && duration(view.length), resources.length && counted(resources.length, "resource"), tasks.length && counted(tasks.length, t`long task`), errors.length && counted(errors.length, "error")].filter(Boolean);
    const details = h(
      "details",
      { class: "page", open: isOpen },
      h("summary", {}, h("span", { class: "event-time" }, position(view.at - this.epoch)), h("span", { class: "page-title" }, view.title), h("span", { class: "hint" }, facts.join(" · ")), h("span", { class: "grow" })),
    );
    const fill = () => {
      if (!details.open || details.childElementCount > 1) return;
      details.append(...loading(view, resources, tasks));
    };
    details.addEventListener("toggle", fill);
    fill();
    return h("div", { class: "card page-card" }, details, play);
  }
}

/** How a view loaded: vitals, steps, waterfall. */
export function loading(view, resources, tasks) {
  const vitals = VITALS.map((vital) => vitalBox(vital, view.row)).filter(Boolean);
  const steps = STEPS.filter(([name]) => view.row[name] !== null && view.row[name] !== undefined);
  const list = h(
    "dl",
    { class: "steps" },
    steps.map(([name, words]) => h("div", {}, h("dt", {}, words), h("dd", {}, durationNs(view.row[name])))),
  );
  return [vitals.length ? h("div", { class: "vitals" }, vitals) : "", steps.length ? list : "", waterfall(view, resources, tasks)];
}

function vitalBox([field, name, meaning, good, fair], row) {
  const value = row[field];
  if (value === null || value === undefined) return null;
  const [kind, words] = value <= good ? ["good", t`good`] : value <= fair ? ["fair", t`needs work`] : ["bad", t`poor`];
  const text = field === "cumulative_layout_shift" ? String(Number(value.toFixed(3))) : durationNs(value);
  return h("div", { class: `vital ${kind}`, title: meaning }, h("span", { class: "vital-name" }, name), h("strong", {}, text), h("span", { class: "vital-rating" }, words));
}

const isXhr = ({ row }) => /^(xhr|fetch|native|beacon)$/i.test(row.resource_type ?? "");

/** Resources as bars on the page's clock, long tasks as bands behind them; Fetch/XHR apart and a search where there are several. */
function waterfall(view, resources, tasks) {
  if (!resources.length && !tasks.length) return h("p", { class: "hint" }, t`No resources and no long tasks.`);
  let [kind, wanted] = ["all", ""];
  const drawn = h("div", {});
  const choices = { all: t`All`, xhr: t`Fetch/XHR`, other: t`Others`, failed: t`Failed` };
  const fits = { all: () => true, xhr: isXhr, other: (entry) => !isXhr(entry), failed: (entry) => entry.isFailed };
  const draw = () => {
    for (const [name, button] of Object.entries(buttons)) button.setAttribute("aria-pressed", String(name === kind));
    const some = resources.filter(
      (entry) =>
        fits[kind](entry) &&
        (!wanted ||
          String(entry.row.resource_url ?? entry.title)
            .toLowerCase()
            .includes(wanted)),
    );
    show(drawn, some.length || !resources.length ? falls(view, some, tasks) : h("p", { class: "hint" }, t`No request fits.`));
  };
  const choose = (name) => {
    kind = name;
    draw();
  };
  const buttons = Object.fromEntries(
    Object.entries(choices).map(([name, words]) => [name, h("button", { type: "button", class: "toggle", onclick: () => choose(name) }, words, h("span", { class: "facet-count" }, resources.filter(fits[name]).length))]),
  );
  const search = h("input", { type: "search", class: "input", placeholder: t`Filter`, "aria-label": t`Filter the resources by address` });
  search.addEventListener("input", () => {
    wanted = search.value.trim().toLowerCase();
    draw();
  });
  draw();
  const filters = h("div", { class: "bar-row" }, h("div", { class: "event-filters", role: "group", "aria-label": t`Resources shown` }, Object.values(buttons)), search);
  return h("div", { class: "waterfall" }, h("h2", {}, t`Resources`), resources.length > 1 ? filters : null, drawn);
}

/** @returns {HTMLElement[]} */
function falls(view, resources, tasks) {
  const shown = resources.slice(0, WATERFALL_ROWS);
  const from = view.at;
  const ends = [...shown, ...tasks].map((entry) => entry.at + (entry.length ?? 0));
  const to = Math.max(from + 1, ...ends);
  const share = (ms) => `${Math.max(0, Math.min(100, (ms / (to - from)) * 100))}%`;
  const bands = tasks.map((task) => h("span", { class: "band", title: task.title, style: { left: share(task.at - from), width: share(task.length ?? 0) } }));
  const rows = shown.map((entry) =>
    h(
      "li",
      { class: entry.isFailed ? "failed" : null },
      fallName(entry),
      h("span", { class: "fall-size" }, bytes(entry.row.resource_size)),
      h("span", { class: "fall-bars" }, bar(entry, from, share)),
      h("span", { class: "fall-time" }, duration(entry.length ?? 0)),
    ),
  );
  const scale = h(
    "div",
    { class: "fall-scale", "aria-hidden": "true" },
    [0, 0.25, 0.5, 0.75, 1].map((part) => h("span", { style: { left: `${part * 100}%` } }, duration(part * (to - from)))),
  );
  const legend = h(
    "ul",
    { class: "legend", "aria-label": t`Colours` },
    PHASES.slice(1).map(([, name, words]) => h("li", {}, h("span", { class: `swatch ${name}` }), words)),
    h("li", {}, h("span", { class: "swatch band-swatch" }), t`Long task`),
  );
  const rest = resources.length - shown.length;
  const frame = h("div", { class: "fall-frame" }, h("div", { class: "fall-bands", "aria-hidden": "true" }, bands), scale, h("ol", { class: "falls" }, rows));
  return [legend, frame, rest > 0 ? h("p", { class: "hint" }, t`${rest} more; the filters find them.`) : null];
}

/** A request's name leads to its entry among those of its view. */
function fallName({ row, title }) {
  const words = { class: "fall-name", title: row.resource_url ?? title };
  if (!row.resource_id) return h("span", words, title);
  const is = [pair("session_id", row.session_id), ...(row.view_id ? [pair("view_id", row.view_id)] : [])];
  const address = explorerAddress({ ...nothingChosen("resources"), app: row.app_id, range: "all", is, entry: row.resource_id, of: row.session_id });
  return h("a", { ...words, href: address, "data-inside": true }, title);
}

function bar(entry, from, share) {
  /** @type {(phase: string[]) => [number, string, string]} */
  const part = ([field, name, words]) => [(entry.row[field] ?? 0) / NS_PER_MS, name, words];
  const parts = PHASES.map(part).filter(([ms]) => ms > 0);
  const total = entry.length ?? 0;
  const known = parts.reduce((sum, [ms]) => sum + ms, 0);
  const segments = known > 0 && known <= total * 1.05 ? parts : [[total, "trans", entry.row.resource_type ?? t`request`]];
  const sum = Math.max(total, known, 1e-9);
  const title = segments.map(([ms, , words]) => `${words} ${duration(ms)}`).join(", ");
  const waiting = Math.max(0, total - known);
  const lead = segments === parts && waiting > 0 ? [[waiting, "queued", t`Queued`]] : [];
  const drawn = [...lead, ...segments].map(([ms, name]) => h("span", { class: `phase ${name}`, style: { width: `${(ms / sum) * 100}%` } }));
  return h("span", { class: "fall-bar", title, style: { left: share(entry.at - from), width: share(total) } }, drawn);
}
