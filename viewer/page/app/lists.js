// What the explorer knows of each table: its words, columns and facets, and what names one of its rows.

import { t } from "./texts.js";

/** @typedef {{one: string, many: string, title: string, columns: string[], facets: string[], id: string | null}} List */

const PLACES = ["version", "browser", "os", "device", "country", "env", "service", "user_name", "view_host", "network_type", "session_type", "sdk_name", "sdk_version"];

/** What may have happened in a session, and is offered beside the list of sessions: table, column, words. @type {[string, string, string][]} */
export const HAPPENED = [
  ["views", "view_path_group", t`Page visited`],
  ["actions", "action_name", t`Action`],
  ["errors", "error_message", t`Error`],
  ["errors", "error_type", t`Type of an error`],
  ["resources", "resource_status", t`Status of a request`],
];

/** @type {Record<string, List>} */
export const LISTS = {
  sessions: {
    one: t`session`,
    many: t`sessions`,
    title: t`Sessions`,
    id: null,
    columns: ["start", "time_spent", "session_type", "session_view_count", "session_action_count", "session_error_count", "frustration_count", "session_first_view_path", "session_last_view_path", "user", "browser", "country"],
    facets: [
      ...["session_type", "session_has_replay", "browser", "os", "device", "country", "env", "service", "version", "session_first_view_path_group", "session_first_view_host", "user_name"],
      ...["network_type", "screen_size", "time_zone", "close_reason", "sdk_name", "sdk_version"],
    ],
  },
  views: {
    one: t`view`,
    many: t`views`,
    title: t`Views`,
    id: "view_id",
    columns: [
      "time",
      "view_path",
      "view_loading_type",
      "time_spent",
      "loading_time",
      "largest_contentful_paint",
      "interaction_to_next_paint",
      "cumulative_layout_shift",
      "view_action_count",
      "view_error_count",
      "user",
      "browser",
      "country",
    ],
    facets: ["view_path_group", "view_loading_type", "view_apdex_level", "is_entry", "is_exit", ...PLACES],
  },
  actions: {
    one: t`action`,
    many: t`actions`,
    title: t`Actions`,
    id: "action_id",
    columns: ["time", "action_name", "action_type", "duration", "action_frustration_types", "action_error_count", "view_path", "user", "browser", "country"],
    facets: ["action_type", "action_name", "view_path_group", ...PLACES],
  },
  errors: {
    one: t`error`,
    many: t`errors`,
    title: t`Errors`,
    id: "error_id",
    columns: ["time", "error_message", "error_type", "error_source", "view_path", "version", "user", "browser", "country"],
    facets: ["error_type", "version", "view_path_group", "error_source", "error_handling", "error_message", ...PLACES.slice(1)],
  },
  resources: {
    one: t`resource`,
    many: t`resources`,
    title: t`Resources`,
    id: "resource_id",
    columns: ["time", "resource_status", "resource_method", "resource_url_path", "resource_type", "duration", "resource_size", "resource_url_host", "view_path", "user"],
    facets: ["resource_type", "resource_status_group", "resource_status", "resource_method", "is_slow", "resource_url_host", "resource_url_path_group", "view_path_group", "provider_type", ...PLACES],
  },
  long_tasks: {
    one: t`long task`,
    many: t`long tasks`,
    title: t`Long tasks`,
    id: "long_task_id",
    columns: ["time", "duration", "blocking_duration", "view_path", "user", "browser", "device", "country"],
    facets: ["view_path_group", ...PLACES],
  },
  console: {
    one: t`line of the console`,
    many: t`lines of the console`,
    title: t`Console`,
    id: "console_id",
    columns: ["time", "level", "message", "view_path", "user", "browser", "version"],
    facets: ["level", "view_path_group", ...PLACES],
  },
};
