// The time range of the explorer: a name like `7d`, or two moments.

import { t } from "./texts.js";

/** Name, words, and length in ms; null is no limit. @type {[string, string, number | null][]} */
export const RANGES = [
  ["15m", t`Last 15 minutes`, 900_000],
  ["1h", t`Last hour`, 3_600_000],
  ["4h", t`Last 4 hours`, 4 * 3_600_000],
  ["24h", t`Last 24 hours`, 86_400_000],
  ["7d", t`Last 7 days`, 7 * 86_400_000],
  ["30d", t`Last 30 days`, 30 * 86_400_000],
  ["all", t`All time`, null],
];

const USUAL = "7d";

const FEW = 50; // a page of the list

/** The range that is meant when the address names none: the last week, or everything when nothing came in it or all there is fits on a page. */
export function usualRange(apps, now) {
  const newest = Math.max(0, ...apps.map((app) => app.last_ms ?? 0));
  const week = RANGES.find(([name]) => name === USUAL)[2];
  const count = apps.reduce((sum, app) => sum + app.sessions, 0);
  return newest >= now - week && count > FEW ? USUAL : "all";
}

/** `{from, to}` as the API wants them; an open end is left out. */
export function moments(state, apps, now) {
  if (state.from || state.to) return { ...(state.from && { from: state.from }), ...(state.to && { to: state.to }) };
  const length = RANGES.find(([name]) => name === (state.range || usualRange(apps, now)))?.[2];
  return length ? { from: String(now - length) } : {};
}
