// The page's own words, in the language of the person: English as they stand in the code, or what the table of another language has for them.

import { preference } from "./preferences.js";

/** What there is: its name for `lang`, and in itself. */
export const LANGUAGES = { en: "English", zh: "中文" };

/** The one chosen in this browser, else the first of the browser's own that there is. @param {readonly string[]} wanted */
export function languageOf(chosen, wanted) {
  if (Object.hasOwn(LANGUAGES, chosen)) return chosen;
  return wanted.map((one) => one.split("-")[0].toLowerCase()).find((one) => Object.hasOwn(LANGUAGES, one)) ?? "en";
}

export const LANGUAGE = languageOf(preference("language"), globalThis.document ? navigator.languages : []);

/** @type {{TEXTS: Record<string, string>, COLUMNS: Record<string, string>}} */
const { TEXTS: table, COLUMNS: columns } = LANGUAGE === "zh" ? await import("./texts.zh.js") : { TEXTS: {}, COLUMNS: {} };

/** For `Intl`: the browser's own form of the language (`en-GB`), else the language. */
export const LOCALE = globalThis.document ? (navigator.languages.find((one) => one.split("-")[0].toLowerCase() === LANGUAGE) ?? LANGUAGE) : undefined;

/**
 * A text: t`Play`, t`Show ${name} in the replay`. The table knows it as "Show {0} in the replay", and may change the order.
 * @param {TemplateStringsArray} strings
 */
export function t(strings, ...values) {
  const key = keyOf(strings);
  return (Object.hasOwn(table, key) ? table[key] : key).replace(/\{(\d)\}/g, (_, place) => String(values[place]));
}

/** What another language calls a column of the lists; English has the words that the server declares. @returns {string | undefined} */
export const column = (name) => (Object.hasOwn(columns, name) ? columns[name] : undefined);

/** How a table knows a text. @param {readonly string[]} strings */
export const keyOf = (strings) => strings.map((text, place) => (place ? `{${place - 1}}${text}` : text)).join("");
