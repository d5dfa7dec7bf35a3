// The HTTP API. Who has signed in is known by a cookie that scripts cannot read.

import { t } from "./texts.js";

const BASE = "/api/v1";
const OWN = { "X-Replay-Lake": "1" }; // pages elsewhere cannot send it: nothing is changed in our name from there

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {string} address @param {{method?: string, body?: unknown, signal?: AbortSignal}} options */
async function call(address, { method = "GET", body, signal } = {}) {
  const headers = method === "GET" ? {} : { ...OWN };
  if (body) headers["Content-Type"] = "application/json";
  const sent = { method, headers, signal, body: body && JSON.stringify(body) };
  const response = await fetch(BASE + address, sent).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, t`The server does not answer.`);
  });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new ApiError(response.status, typeof said.error === "string" ? said.error : t`The server answered ${response.status}.`);
}

const json = async (address, options) => (await call(address, options)).json();
const query = (parameters) => {
  const text = new URLSearchParams(parameters).toString();
  return text ? `?${text}` : "";
};
const path = ({ app, id }) => `/apps/${encodeURIComponent(app)}/sessions/${encodeURIComponent(id)}`;

/** A signed link in this page's address opens its session for somebody who is not signed in. */
const signature = () => {
  const { exp, sig } = Object.fromEntries(new URLSearchParams(location.search));
  return sig ? { exp, sig } : {};
};
const session = (which, below = "", parameters = {}, options = {}) => json(path(which) + below + query({ ...parameters, ...signature() }), options);

export const api = {
  who: () => json("/who"),
  signIn: (token) => json("/sign-in", { method: "POST", body: { token } }),
  signOut: () => json("/sign-out", { method: "POST" }),
  lake: () => json("/lake"),
  apps: () => json("/apps"),
  fields: () => json("/fields"),
  /** Of `sessions`, `errors` and so on: a page of rows, frequent values, rows over time. */
  list: (table, filter, signal) => json(`/${table}${query(filter)}`, { signal }),
  facets: (table, filter, signal) => json(`/${table}/facets${query(filter)}`, { signal }),
  histogram: (table, filter, signal) => json(`/${table}/histogram${query(filter)}`, { signal }),
  live: (parameters) => json(`/live${query(parameters)}`),
  session: (which) => session(which),
  timeline: (which) => session(which, "/timeline"),
  replay: (which) => session(which, "/replay"),
  /** A stack in the sources, where there are source maps of the release. */
  stack: (which, release, stack) => session(which, "/stack", {}, { method: "POST", body: { release, stack } }),
  /** Text of the JSON of events and notes, so that the playing frame parses it. */
  events: async (which, track, chunk) => (await call(`${path(which)}/replay/events${query({ track, chunk, notes: true, ...signature() })}`)).text(),
  /** A link that opens the session for so many seconds. */
  link: (which, seconds) => json("/links", { method: "POST", body: { app: which.app, session_id: which.id, seconds } }),
};
