// The filters in force, each a chip that can be taken away.

import { listOf, splitPair } from "./address.js";
import { splitEvent } from "./carry.js";
import { head } from "./columns.js";
import { h, icon } from "./dom.js";
import { fieldText } from "./format.js";
import { LISTS } from "./lists.js";
import { t } from "./texts.js";

const SIGNS = { is: ": ", not: t`: not `, gt: " > ", lt: " < ", between: ": " };
/** Names a group of errors by a number that says nothing to people. */
export const GROUP = "error_fingerprint";
const MEASURED = ["int64", "double", "timestamp"];

/** `remove(kind, pair)`; `tables`: columns of each list by name; `groupName(fingerprint)`: what errors of a group say, if known. */
export function filterChips(state, tables, remove, groupName) {
  const table = listOf(state.table) in tables ? listOf(state.table) : "sessions";
  const chip = (kind, pair, text) => h("span", { class: `chip ${kind}` }, text, h("button", { type: "button", "aria-label": t`Remove filter ${text}`, onclick: () => remove(kind, pair) }, icon("close")));
  const own = Object.keys(SIGNS).flatMap((kind) => state[kind].map((pair) => chip(kind, pair, words(kind, pair, table, tables[table], groupName))));
  const happened = ["has", "hasnot"].flatMap((kind) => state[kind].map((pair) => chip(kind, pair, eventWords(kind, pair, tables, groupName))));
  return [...own, ...happened];
}

function words(kind, pair, table, fields, groupName) {
  const [column, raw] = splitPair(pair);
  const field = fields.get(column);
  const shown = (text) => fieldText(MEASURED.includes(field?.type) && text !== "" ? Number(text) : text, field) || t`empty`;
  const name = column === GROUP && raw ? groupName(raw) : null;
  if (name) return `${head(column, table)}${SIGNS[kind]}${name}`;
  const value = kind === "between" ? raw.split(",").map(shown).join(" – ") : shown(raw);
  return `${head(column, table)}${SIGNS[kind]}${value}`;
}

/** `with an error, type: TypeError`. */
function eventWords(kind, pair, tables, groupName) {
  const event = splitEvent(pair);
  if (!event || !(event.table in tables)) return `${kind} ${pair}`;
  const sign = { ":": "is", ">": "gt", "<": "lt" }[event.sign];
  return `${kind === "has" ? t`with` : t`without`} ${LISTS[event.table].one} · ${words(sign, `${event.column}:${event.value}`, event.table, tables[event.table], groupName)}`;
}
