// The HTTP API. A token, when the server wants one, stays in this tab's sessionStorage.

const BASE = "/api/v1";
const KEY = "replaylake.token";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

async function call(path, { method = "GET", body, signal } = {}) {
  const headers = {};
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  if (body) headers["Content-Type"] = "application/json";
  const sent = { method, headers, signal, body: body && JSON.stringify(body) };
  const response = await fetch(BASE + path, sent).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer.");
  });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new ApiError(response.status, typeof said.error === "string" ? said.error : `The server answered ${response.status}.`);
}

const json = async (path, options) => (await call(path, options)).json();
const query = (parameters) => {
  const text = new URLSearchParams(parameters).toString();
  return text ? `?${text}` : "";
};
const session = ({ app, id }) => `/apps/${encodeURIComponent(app)}/sessions/${encodeURIComponent(id)}`;

export const api = {
  apps: () => json("/apps"),
  fields: () => json("/fields"),
  sessions: (filter, signal) => json(`/sessions${query(filter)}`, { signal }),
  facets: (filter, signal) => json(`/facets${query(filter)}`, { signal }),
  histogram: (filter, signal) => json(`/histogram${query(filter)}`, { signal }),
  session: (which) => json(session(which)),
  timeline: (which, part) => json(`${session(which)}/timeline${query(part === null ? {} : { part })}`),
  replay: (which) => json(`${session(which)}/replay`),
  /** Text of the JSON array, so that the playing frame parses it. */
  events: async (which, track, chunk) => (await call(`${session(which)}/replay/events${query({ track, chunk })}`)).text(),
  link: (which, seconds) => json("/links", { method: "POST", body: { app: which.app, session_id: which.id, seconds } }),
};
