// The string and template literals of a script, for tests that look at its words. Knows as much of the language as the page uses.

const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+*%<>~^-]|\b(?:return|typeof|case))\s*$/;

/** `[{at, end, parts, isTemplate, tag, line}]`: `parts` is the text around what a template holds; `tag`: whether t stands before it. */
export function literals(source) {
  const found = [];
  const lineOf = (at) => source.slice(0, at).split("\n").length;

  /** Walk code from `at`, until a brace that closes, or the end. */
  function code(at, end) {
    let depth = 0;
    while (at < end) {
      const sign = source[at];
      if (source.startsWith("//", at)) at = source.indexOf("\n", at) < 0 ? end : source.indexOf("\n", at);
      else if (source.startsWith("/*", at)) at = source.indexOf("*/", at) + 2;
      else if (sign === '"' || sign === "'") at = string(at);
      else if (sign === "`") at = template(at);
      else if (sign === "/" && BEFORE_REGEX.test(source.slice(0, at))) at = regex(at);
      else {
        if (sign === "{") depth += 1;
        if (sign === "}" && depth-- === 0) return at;
        at += 1;
      }
    }
    return at;
  }

  function string(at) {
    let end = at + 1;
    while (source[end] !== source[at]) end += source[end] === "\\" ? 2 : 1;
    found.push({ at, end: end + 1, parts: [source.slice(at + 1, end)], isTemplate: false, tag: false, line: lineOf(at) });
    return end + 1;
  }

  function template(at) {
    const own = { at, end: at, parts: [""], isTemplate: true, tag: /(?:^|[^\w$.])t$/.test(source.slice(0, at)), line: lineOf(at) };
    found.push(own);
    let end = at + 1;
    while (source[end] !== "`") {
      if (source.startsWith("${", end)) {
        end = code(end + 2, source.length) + 1;
        own.parts.push("");
      } else {
        const length = source[end] === "\\" ? 2 : 1;
        own.parts[own.parts.length - 1] += source.slice(end, end + length);
        end += length;
      }
    }
    own.end = end + 1;
    return end + 1;
  }

  function regex(at) {
    let end = at + 1;
    for (let isClass = false; source[end] !== "/" || isClass; end += source[end] === "\\" ? 2 : 1) {
      if (source[end] === "[") isClass = true;
      if (source[end] === "]") isClass = false;
    }
    return end + 1;
  }

  code(0, source.length);
  return found;
}
