// Values as people read them. Times are Unix ms, durations of rows ns.

import { column, LANGUAGE, LOCALE, t } from "./texts.js";
import { inZone } from "./zone.js";

/** @type {Intl.DateTimeFormatOptions} */
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false, ...inZone() };
const dateTime = new Intl.DateTimeFormat(LOCALE, { year: "numeric", month: "short", day: "numeric", ...TIME });
const dayTime = new Intl.DateTimeFormat(LOCALE, { month: "short", day: "numeric", ...TIME });
const timeOnly = new Intl.DateTimeFormat(LOCALE, { ...TIME, fractionalSecondDigits: 3 });
const secondsOnly = new Intl.DateTimeFormat(LOCALE, TIME);
const dayOnly = new Intl.DateTimeFormat(LOCALE, { year: "numeric", month: "numeric", day: "numeric", ...inZone() });
const wholes = new Intl.NumberFormat(LOCALE);

export const NS_PER_MS = 1e6;

export const fullTime = (ms) => dateTime.format(ms);
export const shortTime = (ms) => dayTime.format(ms);
/** From one moment to another; the day once if it is the same. */
export function span(from, to) {
  const isOneDay = dayOnly.format(from) === dayOnly.format(to);
  return `${dayTime.format(from)} – ${(isOneDay ? secondsOnly : dayTime).format(to)}`;
}
export const clockTime = (ms) => timeOnly.format(ms);
export const count = (value) => wholes.format(value);

/** `1:02:03` of a position in ms. */
export function position(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const tail = `${String(seconds % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** `1 h 02 min`, `3 min 04 s`, `1.2 s`, `35 ms` of a duration in ms. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1000) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  if (ms < 59_950) return `${Number((ms / 1000).toFixed(1))} s`;
  const minutes = Math.floor(Math.round(ms / 1000) / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.round(ms / 1000) % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export const durationNs = (ns) => (ns === null || ns === undefined ? "" : duration(ns / NS_PER_MS));

export function bytes(value) {
  if (value === null || value === undefined) return "";
  if (value < 1000) return `${value} B`;
  const power = Math.min(4, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** power).toPrecision(3).replace(/\.0+$/, "")} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

const apps = new Map();

/** From now on these apps are called what the settings say, where they do. */
export function declareApps(known) {
  for (const { app_id: id, name } of known) if (name) apps.set(id, name);
}

/** What an app is called. */
export const appName = (id) => apps.get(id) ?? id;

/** A field's value as text, by its type and unit in `/api/v1/fields`, which has those of lines too. */
export function fieldText(value, field) {
  if (value === null || value === undefined || value === "") return "";
  if (field?.type === "timestamp" && typeof value === "number") return fullTime(value);
  if (field?.type?.startsWith("map") || typeof value === "object") return JSON.stringify(value);
  if (typeof value === "boolean") return value ? t`yes` : t`no`;
  if (field?.name === "app_id") return appName(value);
  if (typeof value !== "number") return String(value);
  if (field?.unit === "ns") return durationNs(value);
  if (field?.unit === "ms") return duration(value);
  if (field?.unit === "bytes") return bytes(value);
  if (field?.unit === "ratio") return String(Number(value.toFixed(3)));
  return Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(6)));
}

const labels = new Map();

/** From now on these fields are called what they declare, where they do. */
export function declareLabels(fields) {
  for (const { name, label } of fields) if (label) labels.set(name, label);
}

/** What a field is called: as declared, else its name in words, `session_first_view_url` → `First view URL`. */
export function label(name) {
  const own = column(name);
  if (own) return own;
  if (labels.has(name)) return labels.get(name);
  const words = name
    .replace(/^session_(?=first|last|view|error|action|resource|long|console|type|ref)/, "")
    .split("_")
    .map((word) => SHORT.get(word) ?? word);
  return words.join(" ").replace(/^./, (first) => first.toUpperCase());
}

const SHORT = new Map(Object.entries({ id: "ID", ids: "IDs", url: "URL", os: "OS", sdk: "SDK", ip: "IP", isp: "ISP", userid: "user ID", dns: "DNS", tcp: "TCP", ssl: "TLS" }));

/** A list that a column holds as JSON. */
export function list(json) {
  if (Array.isArray(json)) return json;
  try {
    const parsed = JSON.parse(json ?? "[]");
    return Array.isArray(parsed) ? parsed.map(String) : [];
  } catch {
    return [];
  }
}

/** `1 error`, `2 errors`. */
export const counted = (number, one, many = LANGUAGE === "en" ? `${one}s` : one) => `${count(number)} ${number === 1 ? one : many}`;

/** `http:` and `https:` addresses only; anything else is no link. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
