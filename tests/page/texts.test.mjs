// The page's words: every one of them is in the table of each language, and none stands in the code outside of t``.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { LISTS } from "../../viewer/page/app/lists.js";
import { keyOf, languageOf, t } from "../../viewer/page/app/texts.js";
import { COLUMNS, TEXTS } from "../../viewer/page/app/texts.zh.js";
import { literals } from "./literals.mjs";

const FOLDER = new URL("../../viewer/page/app/", import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".js") && !name.startsWith("texts"));
const unescaped = (text) => text.replace(/\\(.)/g, "$1");
const found = FILES.flatMap((file) => literals(readFileSync(new URL(file, FOLDER), "utf8")).map((one) => ({ ...one, file })));
const placesOf = (text) => [...new Set(text.match(/\{\d\}/g) ?? [])].sort();

test("the table of another language has just the words of the page", () => {
  const used = new Set(found.filter(({ tag }) => tag).map(({ parts }) => keyOf(parts.map(unescaped))));
  assert.ok(used.size > 400);
  assert.deepEqual(
    [...used].filter((key) => !Object.hasOwn(TEXTS, key)),
    [],
    "missing in texts.zh.js",
  );
  assert.deepEqual(
    Object.keys(TEXTS).filter((key) => !used.has(key)),
    [],
    "nobody says this any more",
  );
});

test("a translation has every place of its text, and is one", () => {
  for (const [key, text] of Object.entries(TEXTS)) {
    assert.deepEqual(placesOf(text), placesOf(key), key);
    if (!["{0} · Replay Lake", "{0} · {1} · Replay Lake", "Fetch/XHR", "{0} of {1}{2}"].includes(key)) assert.match(text, /[\u4e00-\u9fff]/, key);
    assert.doesNotMatch(text, /[\u4e00-\u9fff][,:;?!()]|[,;?!()][\u4e00-\u9fff]/, `${key}: punctuation of Chinese is full width`);
  }
});

test("columns that lists show or count by have a name in the other language", () => {
  const facets = new Set(Object.values(LISTS).flatMap((list) => list.facets));
  const [, groups] = /^Group = Literal\[([^\]]*)\]/m.exec(readFileSync(new URL("../../schemas/fields.py", import.meta.url), "utf8"));
  for (const group of groups.match(/"[^"]+"/g)) facets.add(JSON.parse(group));
  assert.deepEqual(
    [...facets].filter((name) => !Object.hasOwn(COLUMNS, name)),
    [],
  );
});

// What looks like words and is none: keys, names of events and formats, classes of style, selectors, commands, code.
const NOT_WORDS = new Set(["AbortError", "Content-Type", "Replay Lake", "LAKE", "UTC", "CSV", "TLS", "Escape", "Enter", "Home", "End", "Esc", "Tab", "Arrow", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "never {0}", "user ID"]);
const CODE = /^(?:replaylake |\.|default-src|<!doctype|iframe\{|body\{|dl\{|table\{|\{0\}<title>|datadogRum|noopener|a, button|main, header|input, |button, a|custom\.)/;
const isProse = (text) => /[A-Za-z}][.,:]? [a-zA-Z{]/.test(text) || /^[A-Z][a-z]/.test(text);

test("no words of the page stand outside of its table", () => {
  const outside = found.filter(({ tag, parts, file, at }) => {
    const text = keyOf(parts.map(unescaped));
    if (tag || !isProse(text) || NOT_WORDS.has(text) || CODE.test(text) || !/[A-Za-z]{2}/.test(parts.join(" "))) return false;
    const before = readFileSync(new URL(file, FOLDER), "utf8").slice(Math.max(0, at - 160), at);
    return !/(?:class: [^,]*|class:\s+|import .*|from |Selector(?:All)?\(|Error\(|user|"\.\/[^"]*|=== |keys: \[[^\]]*)$/.test(before);
  });
  const UNITS = /^\{0\} (?:ms|min \{1\} s|h \{1\} min|s|B)$/;
  const told = outside.map(({ file, line, parts }) => `${file}:${line}: ${keyOf(parts)}`).filter((text) => !UNITS.test(text.split(": ").slice(1).join(": ")));
  assert.deepEqual(told, []);
});

test("the language is the one chosen, else the browser's first that there is, else English", () => {
  assert.equal(languageOf("zh", ["en-GB"]), "zh");
  assert.equal(languageOf("", ["de-DE", "zh-Hans-CN", "en"]), "zh");
  assert.equal(languageOf("", ["de-DE"]), "en");
  assert.equal(languageOf("constructor", []), "en");
});

test("what is put into a text stays what it is", () => {
  const name = "{0} <b>{1}</b> $&";
  assert.equal(t`Show ${name} in the replay`, `Show ${name} in the replay`);
});
