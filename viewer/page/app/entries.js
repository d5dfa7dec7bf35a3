// What happened in a session as one list in order of time: pages, actions, errors, console, resources, long tasks.

import { bytes, duration, list, NS_PER_MS } from "./format.js";
import { t } from "./texts.js";

/** Kinds in the order of the filters: name, plural, icon, and the table of their rows. */
export const KINDS = {
  view: { one: t`Page`, many: t`Pages`, icon: "page", table: "views" },
  action: { one: t`Action`, many: t`Actions`, icon: "click", table: "actions" },
  error: { one: t`Error`, many: t`Errors`, icon: "error", table: "errors" },
  console: { one: t`Console`, many: t`Console`, icon: "console", table: "console" },
  resource: { one: t`Resource`, many: t`Resources`, icon: "resource", table: "resources" },
  long_task: { one: t`Long task`, many: t`Long tasks`, icon: "task", table: "long_tasks" },
};

const text = (value) => (value === null || value === undefined ? "" : String(value));
const words = (...parts) => parts.map(text).filter(Boolean).join(" · ");
const ms = (ns) => (ns === null || ns === undefined ? null : ns / NS_PER_MS);

const MAKERS = {
  view: (row) => ({
    title: row.view_path || row.view_name || row.view_url || (row.from_recording ? t`Page without a known address` : row.view_id),
    detail: words(text(row.view_loading_type).replaceAll("_", " "), row.view_host),
    length: ms(row.time_spent),
  }),
  action: (row) => {
    const frustrations = list(row.action_frustration_types);
    return {
      title: row.action_name || row.action_type || t`action`,
      detail: words(row.action_name ? text(row.action_type).replaceAll("_", " ") : "", ...frustrations.map((one) => one.replaceAll("_", " "))),
      length: ms(row.duration),
      frustrations,
    };
  },
  error: (row) => ({ title: row.error_message || row.error_type || t`error`, detail: words(row.error_type, row.error_source, row.error_handling), length: null }),
  console: (row) => ({ title: text(row.message).split("\n", 1)[0] || row.level, detail: row.level, length: null, isFailed: row.level === "error" }),
  resource: (row) => ({
    title: words(row.resource_method, row.resource_url_path || row.resource_url).replace(" · ", " "),
    detail: words(row.resource_type, row.resource_status, bytes(row.resource_size), row.resource_url_host),
    length: ms(row.duration),
    isFailed: Number(row.resource_status) >= 400 || row.resource_status === "0",
  }),
  long_task: (row) => ({ title: t`Page busy for ${duration(ms(row.duration) ?? 0)}`, detail: row.blocking_duration ? t`${duration(ms(row.blocking_duration))} without reaction` : "", length: ms(row.duration) }),
};

/** `{kind, at_ms, title, detail, length, row, …}` sorted by time. */
export function makeEntries(timeline, tracks = []) {
  const entries = Object.entries(KINDS).flatMap(([kind, { table }]) => (timeline[table] ?? []).map((row) => ({ kind, at: row.time, row, ...MAKERS[kind](row) })));
  if (!timeline.views?.length) entries.push(...pagesOfTracks(tracks));
  return entries.sort((a, b) => a.at - b.at || Object.keys(KINDS).indexOf(a.kind) - Object.keys(KINDS).indexOf(b.kind));
}

/** The entry of one row. */
export const entryOf = (table, row) => {
  const [kind] = Object.entries(KINDS).find(([, one]) => one.table === table);
  return { kind, at: row.time, row, ...MAKERS[kind](row) };
};

/** Sessions written before recordings gave rows of pages: the recording still says which there were. */
function pagesOfTracks(tracks) {
  return tracks.flatMap((track) =>
    track.views.map((view) => ({ kind: "view", at: view.start_ms, title: text(view.url) || view.view_id, detail: t`from the recording`, length: view.end_ms - view.start_ms, row: { ...view, time: view.start_ms } })),
  );
}

export const isRage = (entry) => entry.frustrations?.includes("rage_click") ?? false;
