// The moment on the stage as a file: a picture, or a page by itself to attach to a ticket.

import { h } from "./dom.js";
import { KINDS } from "./entries.js";
import { clockTime, position } from "./format.js";
import { t } from "./texts.js";

const BEFORE_MS = 30_000; // so much of what happened stands in the file
const AFTER_MS = 2_000;
const LINES = 200;
const LARGEST = 4096; // pixels of a side of the picture

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:; form-action 'none'; base-uri 'none'";
const HEAD = `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
const LOOKS =
  "body{font:14px/1.5 system-ui,sans-serif;margin:24px;color:#16202a;background:#fff}" +
  "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}dt{color:#55626f}dd{margin:0;overflow-wrap:anywhere}" +
  "iframe{border:1px solid #c9d0d7;max-width:100%}" +
  "table{border-collapse:collapse}td,th{padding:2px 12px 2px 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}.bad{color:#a81d29}";

/** A PNG of what `stage.still()` gives. What the picture would load is not in it: an SVG image loads nothing. */
export async function picture({ svg, width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const scale = Math.min(2, Math.max(1, devicePixelRatio), LARGEST / Math.max(width, height));
  const canvas = h("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(t`the browser made no picture`))), "image/png"));
}

/** A page by itself: where and when, the page as it stood, what happened before. It runs nothing, loads nothing, and
 * names the visitor only as the recorded page does. */
export function file({ still, which, at, epoch, address, entries, link, missing }) {
  const near = entries.filter((entry) => entry.at >= at - BEFORE_MS && entry.at <= at + AFTER_MS).slice(-LINES);
  const body = document.implementation.createHTMLDocument("").body; // in which nothing loads
  const frame = h("iframe", { title: t`The recorded page`, sandbox: "", width: still.width, height: still.height });
  const facts = [
    [t`Application`, which.app],
    [t`Session`, which.id],
    [t`Moment`, `${position(at - epoch)} · ${new Date(at).toISOString()}`],
    [t`Page`, address],
    [t`Viewport`, `${still.width} × ${still.height}`],
    [t`Replay`, link],
    [t`Missing`, missing.join("; ")],
  ].filter(([, value]) => value);
  const rows = near.map((entry) =>
    h(
      "tr",
      { class: entry.kind === "error" || entry.isFailed ? "bad" : null },
      h("td", {}, position(entry.at - epoch)),
      h("td", {}, clockTime(entry.at)),
      h("td", {}, KINDS[entry.kind].one),
      h("td", {}, [entry.title, entry.detail].filter(Boolean).join(" · ")),
    ),
  );
  body.append(
    h("h1", {}, t`Session at ${position(at - epoch)}`),
    h(
      "dl",
      {},
      facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
    frame,
    h("h2", {}, t`What happened`),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          [t`At`, t`Time of day`, t`Kind`, t`What`].map((head) => h("th", {}, head)),
        ),
      ),
      h("tbody", {}, rows),
    ),
  );
  frame.setAttribute("srcdoc", `${HEAD}${still.html}`);
  return new Blob([`${HEAD}<title>Session replay</title><style>${LOOKS}</style>${body.outerHTML}`], { type: "text/html" });
}

/** Hand a blob to the person. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** `session-230f3e7c-1m07s.png`: characters that every file system takes. */
export function fileName(which, ms, kind) {
  const id = which.id.replace(/[^\w-]/g, "_").slice(0, 40);
  return `session-${id}-${position(ms).replaceAll(":", "-")}.${kind}`;
}
