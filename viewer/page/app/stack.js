// A stack: as it was recorded, and in the sources as soon as the server has found source maps for it; the page's own code first.

import { api } from "./api.js";
import { h, show } from "./dom.js";
import { t } from "./texts.js";

const LONGEST = 65_536; // characters that the server takes

/** @param {{app_id: string, session_id: string, version: string | null}} row */
export function stackBlock(title, text, row) {
  if (!text) return null;
  const recorded = h("pre", { class: "stack", tabindex: 0 }, text);
  const place = h("div", { class: "stack-block" }, recorded);
  const isAsked = row.app_id && row.session_id && row.version && /:\d+/.test(text);
  if (isAsked) resolve(row, text, place, recorded);
  return [h("h2", {}, title), place];
}

async function resolve(row, text, place, recorded) {
  const found = await api.stack({ app: row.app_id, id: row.session_id }, row.version, text.slice(0, LONGEST)).catch(() => null);
  if (!found?.frames.some((frame) => frame.mapped)) {
    const names = (found?.without ?? []).map((path) => path.split("/").at(-1));
    if (names.length) place.append(h("p", { class: "hint" }, t`No source map of release ${row.version} for ${names.join(", ")}.`));
    return;
  }
  const { own, others } = sorted(found.frames);
  show(
    place,
    own.length ? h("ol", { class: "frames" }, own.map(frameItem)) : null,
    others.length ? h("details", { class: "lines" }, h("summary", {}, t`Libraries and the browser (${others.length})`), h("ol", { class: "frames" }, others.map(frameItem))) : null,
    h("details", { class: "lines" }, h("summary", {}, t`As recorded`), recorded),
  );
}

/** Frames of the page's own code and the others, each with its place in the stack, from 1. */
export function sorted(frames) {
  const numbered = frames.map((frame, place) => ({ ...frame, number: place + 1 }));
  return { own: numbered.filter((frame) => frame.own), others: numbered.filter((frame) => !frame.own) };
}

function frameItem(frame) {
  const { number, file, line, column, source, recorded } = frame;
  const position = [file, line || null, column || null].filter(Boolean).join(":");
  return h("li", { value: number, title: recorded }, h("span", { class: "frame-function" }, frame.function || t`(no name)`), " ", h("span", { class: "frame-file" }, position), source ? sourceLines(source, line) : null);
}

function sourceLines({ before, line, after }, number) {
  const first = number - before.length;
  const row = (text, place) => h("div", { class: place === before.length ? "source-line meant" : "source-line" }, h("span", { class: "line-number", "aria-hidden": "true" }, first + place), text);
  return h("pre", { class: "source-lines", tabindex: 0 }, [...before, line, ...after].map(row));
}
