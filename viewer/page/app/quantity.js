// Numbers as people write them, in the unit of their column: "2.5 s", "300 ms", "1 min", "20 kB".

import { fromLocal } from "./zone.js";

const NS = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, sec: 1e9, min: 6e10, m: 6e10, h: 3.6e12 };
const UNITS = {
  ns: [NS, "ms"],
  ms: [Object.fromEntries(Object.entries(NS).map(([unit, ns]) => [unit, ns / 1e6])), "ms"],
  bytes: [{ b: 1, kb: 1e3, mb: 1e6, gb: 1e9 }, "b"],
};

/** What to write into a field of that unit. */
export const example = (field) => ({ ns: "2.5 s", ms: "300 ms", bytes: "100 kB" })[field?.unit] ?? (field?.type === "timestamp" ? "2026-01-31 14:00" : "0");

/** The number for the API, as text; null when it is none. Without a unit, times are ms and sizes bytes. */
export function quantity(text, field) {
  if (field?.type === "timestamp") {
    const moment = /^\d{9,}(\.\d+)?$/.test(text.trim()) ? Number(text) : fromLocal(text.trim());
    return Number.isFinite(moment) ? String(moment) : null;
  }
  const [, number, unit] = /^(-?[\d.]+(?:e-?\d+)?)\s*([a-zµ]*)$/i.exec(text.trim().replace(",", ".")) ?? [];
  if (number === undefined || !Number.isFinite(Number(number))) return null;
  const [units, usual] = UNITS[field?.unit] ?? [{}, ""];
  if (!usual) return unit ? null : String(Number(number));
  const factor = units[(unit || usual).toLowerCase()];
  if (!factor) return null;
  const value = Number(number) * factor;
  return String(field.type === "int64" ? Math.round(value) : value);
}
