// All fields of a row as a list of names and values, grouped; empty ones are left out.

import { copy, h, icon } from "./dom.js";
import { fieldText, label, webAddress } from "./format.js";
import { openMenu } from "./menu.js";

/** @type {[string, RegExp][]} */
const GROUPS = [
  ["Session", /^(app_id|session_id|session_part|revision|session_type|session_referrer|start|end|received_|time_spent|active_time|close_reason|last_interaction|clock_skew|session_.*_count|session_has)/],
  ["Pages", /^session_(first|last)_view/],
  ["Frustration", /^(frustration|rage|dead|error_click)/],
  ["User", /^(user|is_sign|is_login)/],
  ["Device", /^(os|browser|device|screen|network|time_zone)/],
  ["Place", /^(ip|country|province|city|isp)/],
  ["Application", /^(env|service|version|source|sdk)/],
  ["Replay", /^replay_/],
];

const isEmpty = (value) => value === null || value === undefined || value === "" || (typeof value === "object" && !Object.keys(value).length);

/** Fields of a session, `custom` apart as "extended". `act(name, value, kind)`: kind `is`, `not` or `column`. */
export function properties(row, fields, act) {
  const { custom, ...rest } = row;
  const left = new Map(Object.entries(rest).filter(([, value]) => !isEmpty(value)));
  /** @type {[string, [string, unknown][]][]} */
  const groups = GROUPS.map(([title, pattern]) => {
    const own = [...left].filter(([name]) => pattern.test(name));
    for (const [name] of own) left.delete(name);
    return [title, own];
  });
  groups.push(["More", [...left]], ["Extended fields", Object.entries(custom ?? {}).map(([name, value]) => [`custom.${name}`, value])]);
  return h(
    "div",
    { class: "property-groups" },
    groups.filter(([, own]) => own.length).map(([title, own]) => group(title, own, fields, act)),
  );
}

function group(title, entries, fields, act) {
  return h("section", { class: "card" }, h("h2", {}, title), propertyList(entries, fields, act));
}

export function propertyList(entries, fields, act) {
  return h(
    "dl",
    { class: "properties" },
    entries.map(([name, value]) => property(name, value, fields.get(name), act)),
  );
}

function property(name, value, field, act) {
  const text = fieldText(value, field);
  const address = /url|referrer/.test(name) ? webAddress(text) : null;
  const shown = address ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, text) : text;
  const raw = typeof value === "object" ? JSON.stringify(value) : String(value);
  const more = act
    ? h("button", { class: "cell-menu", type: "button", "aria-haspopup": "menu", "aria-label": `${label(name)}: sessions with this value, column, copy`, onclick: () => menu(more, name, value, raw, act) }, icon("more"))
    : h("button", { class: "cell-menu", type: "button", "aria-label": `Copy ${label(name)}`, title: "Copy", onclick: () => copy(raw) }, icon("copy"));
  return h("div", { class: "property" }, h("dt", { title: field?.doc ? `${name}: ${field.doc}` : name }, name.startsWith("custom.") ? name.slice(7) : label(name)), h("dd", {}, h("span", { class: "value" }, shown), more));
}

function menu(anchor, name, value, raw, act) {
  openMenu(anchor, label(name), [
    { label: "Sessions with this value", run: () => act(name, value, "is") },
    { label: "Sessions without it", run: () => act(name, value, "not") },
    { label: "List with this column", run: () => act(name, value, "column") },
    { label: "Copy", run: () => copy(raw) },
  ]);
}
