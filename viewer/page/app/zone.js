// In which time zone times are shown and written: that of the address (a link of somebody else), the one chosen in this browser, or the browser's own.

import { preference } from "./preferences.js";

const MINUTE = 60_000;

/** @param {string | null} name */
function known(name) {
  try {
    return name ? new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone : "";
  } catch {
    return ""; // no such zone
  }
}

const parameters = new URLSearchParams(globalThis.location?.search ?? "");

/** Its IANA name; "" where it is the browser's own. */
export const ZONE = known(parameters.get("tz")) || known(preference("zone"));
export const ownZone = () => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** For `Intl.DateTimeFormat`. */
export const inZone = (zone = ZONE) => (zone ? { timeZone: zone } : {});

/** By how many ms the clocks of the zone are ahead of UTC at a moment. */
export function offset(ms, zone = ZONE) {
  if (!zone) return -new Date(ms).getTimezoneOffset() * MINUTE;
  /** @type {Intl.DateTimeFormatOptions} */
  const style = { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
  const parts = Object.fromEntries(new Intl.DateTimeFormat("en", style).formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const shown = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
  return shown - Math.floor(ms / 1000) * 1000;
}

/** For `<input type=datetime-local>`: what the clocks of the zone show. */
export const localText = (ms, zone = ZONE) => new Date(Number(ms) + offset(Number(ms), zone)).toISOString().slice(0, 19);

/** The moment at which the clocks of the zone show that; NaN for what is no time. An hour that comes twice is its first, one that is left out is the next. */
export function fromLocal(text, zone = ZONE) {
  const isWhole = /(?:z|[+-]\d\d:?\d\d)$/i.test(text) && /[t ]\d/i.test(text);
  const shown = new Date(isWhole ? text : `${text.trim().replace(" ", "T")}${/[t ]/i.test(text.trim()) ? "" : "T00:00"}Z`).getTime();
  if (isWhole || Number.isNaN(shown)) return shown;
  const before = shown - offset(shown - 24 * 60 * MINUTE, zone); // by the clocks as they stood a day before
  const after = shown - offset(before, zone);
  return before + offset(before, zone) !== shown && after + offset(after, zone) === shown ? after : before;
}
