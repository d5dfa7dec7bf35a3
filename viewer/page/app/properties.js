// All fields of a row as a list of names and values, grouped; empty ones are left out.

import { copy, h, icon } from "./dom.js";
import { fieldText, label, webAddress } from "./format.js";
import { openMenu } from "./menu.js";

const isEmpty = (value) => value === null || value === undefined || value === "" || (typeof value === "object" && !Object.keys(value).length);

/**
 * Fields that have a value, by the group that each declares, in the order of `groups`; `custom` last, as "extended".
 * @returns {[string, [string, unknown][]][]}
 */
export function inGroups(row, fields, groups) {
  const { custom, ...rest } = row;
  const filled = Object.entries(rest).filter(([, value]) => !isEmpty(value));
  return [...groups.map((title) => [title, filled.filter(([name]) => (fields.get(name)?.group ?? groups.at(-1)) === title)]), ["Extended fields", Object.entries(custom ?? {}).map(([name, value]) => [`custom.${name}`, value])]].filter(
    ([, own]) => own.length,
  );
}

/** Fields of a session. `act(name, value, kind)`: kind `is`, `not` or `column`. */
export function properties(row, fields, groups, act) {
  return h(
    "div",
    { class: "property-groups" },
    inGroups(row, fields, groups).map(([title, own]) => group(title, own, fields, act)),
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
    ? h(
        "button",
        { class: "cell-menu", type: "button", "aria-haspopup": "menu", "aria-label": `${label(name, field)}: sessions with this value, column, copy`, onclick: () => menu(more, name, label(name, field), value, raw, act) },
        icon("more"),
      )
    : h("button", { class: "cell-menu", type: "button", "aria-label": `Copy ${label(name, field)}`, title: "Copy", onclick: () => copy(raw) }, icon("copy"));
  return h("div", { class: "property" }, h("dt", { title: field?.doc ? `${name}: ${field.doc}` : name }, label(name, field)), h("dd", {}, h("span", { class: "value" }, shown), more));
}

function menu(anchor, name, title, value, raw, act) {
  openMenu(anchor, title, [
    { label: "Sessions with this value", run: () => act(name, value, "is") },
    { label: "Sessions without it", run: () => act(name, value, "not") },
    { label: "List with this column", run: () => act(name, value, "column") },
    { label: "Copy", run: () => copy(raw) },
  ]);
}
