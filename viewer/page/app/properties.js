// All fields of a row as a list of names and values, grouped; empty ones are left out.

import { copy, h, icon } from "./dom.js";
import { fieldText, label, webAddress } from "./format.js";
import { openMenu } from "./menu.js";
import { column, t } from "./texts.js";

const isEmpty = (value) => value === null || value === undefined || value === "" || (typeof value === "object" && !Object.keys(value).length);

/**
 * Fields that have a value, by the group that each declares, in the order of `groups`; `custom` last, as "extended".
 * @returns {[string, [string, unknown][]][]}
 */
export function inGroups(row, fields, groups) {
  const { custom, ...rest } = row;
  const filled = Object.entries(rest).filter(([, value]) => !isEmpty(value));
  const own = groups.map((title) => [title, filled.filter(([name]) => (fields.get(name)?.group ?? groups.at(-1)) === title)]);
  const extended = Object.entries(custom ?? {}).map(([name, value]) => [`custom.${name}`, value]);
  return [...own, [t`Extended fields`, extended]].filter(([, some]) => some.length);
}

/** Fields of a session. `items(name, value, text)`: the menu of a value. */
export function properties(row, fields, groups, items) {
  return h(
    "div",
    { class: "property-groups" },
    inGroups(row, fields, groups).map(([title, own]) => group(title, own, fields, items)),
  );
}

function group(title, entries, fields, items) {
  return h("section", { class: "card" }, h("h2", {}, column(title) ?? title), propertyList(entries, fields, items));
}

export function propertyList(entries, fields, items) {
  return h(
    "dl",
    { class: "properties" },
    entries.map(([name, value]) => property(name, value, fields.get(name), items)),
  );
}

function property(name, value, field, items) {
  const text = fieldText(value, field);
  const address = /url|referrer/.test(name) ? webAddress(text) : null;
  const shown = address ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, text) : text;
  const raw = typeof value === "object" ? JSON.stringify(value) : String(value);
  const more = items
    ? h(
        "button",
        { class: "cell-menu", type: "button", "aria-haspopup": "menu", "aria-label": t`${label(name)}: filter, column, copy`, onclick: () => openMenu(more, `${label(name)}: ${text.slice(0, 60)}`, items(name, value, text)) },
        icon("more"),
      )
    : h("button", { class: "cell-menu", type: "button", "aria-label": t`Copy ${label(name)}`, title: t`Copy`, onclick: () => copy(raw) }, icon("copy"));
  return h("div", { class: "property" }, h("dt", { title: field?.doc ? `${name}: ${field.doc}` : name }, name.startsWith("custom.") ? name.slice(7) : label(name)), h("dd", {}, h("span", { class: "value" }, shown), more));
}
