// The frame that plays: wraps rrweb's Replayer for one run of chunks that follow one another. The page around it calls
// `window.stage`; recorded content lives one frame deeper, sandboxed without scripts.

import { neutraliser } from "./neutral.js";
import { Pointer } from "./pointer.js";
import { still } from "./still.js";

const META = 4;
const CUSTOM = 5;
const HEIGHT_MAX = 12_000; // px of a still picture
const { Replayer } = window.rrwebReplay;
const root = document.getElementById("stage");
// Images that are not loaded are hatched; where there is room, with a word.
const WORD = encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%"><style>@media (max-width:90px),(max-height:24px){text{display:none}}</style><text x="50%" y="50%" dy="4" font-family="sans-serif" font-size="12" text-anchor="middle" fill="#666">image not loaded</text></svg>',
);
const NOT_LOADED = `[data-not-loaded]{background:url("data:image/svg+xml,${WORD}") 0 0/100% 100% no-repeat,repeating-linear-gradient(45deg,#8883 0 6px,#8881 6px 12px)!important;outline:1px dashed #8886;outline-offset:-1px}`;

// Canvases: see neutral.js. Until there is a picture they are hatched, with a word.
const HATCHED = encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="60"><defs><pattern id="h" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0v8" stroke="#888" stroke-opacity=".4" stroke-width="6"/></pattern></defs><rect width="120" height="60" fill="url(#h)"/><text x="60" y="34" font-family="sans-serif" font-size="12" text-anchor="middle" fill="#666">canvas</text></svg>',
);
const CANVAS = [
  `:where(canvas){display:inline-block;width:var(--canvas-width,300px);height:var(--canvas-height,150px);background-image:url("data:image/svg+xml,${HATCHED}")}`,
  "canvas{background-size:100% 100%!important;background-repeat:no-repeat!important;overflow:hidden;font-size:0!important;color:transparent!important}",
];

let replayer = null;
let origin = 0;
let neutral = neutraliser();
let lacking = new Map(); // what the chunk at hand does not show
let moment = 0; // of the event at hand
let pointer = new Pointer();
let size = { width: 1024, height: 640 };

/** Events of a chunk, made harmless, and what of it will not be seen; none begins before the track, whose start is offset 0. */
function chunk(text) {
  const { events, notes } = JSON.parse(text);
  lacking = new Map();
  for (const event of events) {
    if (event.timestamp < origin) event.timestamp = origin;
    moment = event.timestamp;
    neutral(event);
  }
  pointer.add(events);
  return { events, report: { notes, missing: [...lacking.values()] } };
}

function lacks(kind, from) {
  const key = `${kind} ${from} ${moment}`;
  const known = lacking.get(key) ?? { kind, origin: from, at: moment, count: 0 };
  known.count += 1;
  lacking.set(key, known);
}

const edge = (timestamp) => ({ type: CUSTOM, timestamp, data: { tag: "edge", payload: {} } });

window.stage = {
  /** Begin a run: chunks that follow one another, of a track from `start` to `end` (Unix ms). Says what is missing. */
  open({ start, end, text, speed, allowed, on }) {
    this.close();
    origin = start;
    neutral = neutraliser(allowed, lacks);
    pointer = new Pointer();
    const { events: list, report } = chunk(text);
    const first = list.find((event) => event.type === META);
    replayer = new Replayer([edge(start), ...list, edge(Math.max(end, start + 1))], {
      root,
      speed,
      skipInactive: false,
      mouseTail: { duration: 600, lineCap: "round", lineWidth: 2, strokeStyle: "#0d9488" },
      insertStyleRules: [NOT_LOADED, ...CANVAS],
      triggerFocus: false,
      UNSAFE_replayCanvas: false,
    });
    if (!replayer.iframe.sandbox.contains("allow-same-origin") || replayer.iframe.sandbox.contains("allow-scripts")) {
      this.close();
      throw new Error("the player's frame is not sandboxed");
    }
    replayer.iframe.title = "Recorded page";
    replayer.iframe.tabIndex = -1;
    replayer.iframe.setAttribute("inert", "");
    replayer.on("resize", ({ width, height }) => fit({ width, height }));
    const own = replayer; // one that was closed may still speak
    replayer.on("finish", () => own === replayer && on.finish());
    if (first) fit(first.data);
    return report;
  },

  /** The chunk that follows the run. Says what of it is missing. */
  add(text) {
    const { events, report } = chunk(text);
    for (const event of events) replayer.addEvent(event);
    return new Promise((resolve) => setTimeout(() => resolve(report), 0));
  },

  /** The track became longer. */
  extend(end) {
    replayer?.addEvent(edge(end));
  },

  play: (ms) => replayer?.play(Math.max(0, ms - origin)),
  pause: (ms) => replayer?.pause(ms === undefined ? undefined : Math.max(0, ms - origin)),
  speed: (value) => replayer?.setConfig({ speed: value }),
  time: () => (replayer ? origin + replayer.getCurrentTime() : origin),
  /** Of the recorded page, and how large it is drawn. */
  size: () => ({ ...size, scale: scale() }),
  /** The recorded page as it stands, as markup that needs and runs nothing; null before there is one. */
  still: () => (replayer?.iframe.contentDocument?.documentElement ? still(replayer.iframe, size, pointer.at(window.stage.time())) : null),

  /** Show the page as long as it is, from its top, for a still picture; its size. */
  whole() {
    const { documentElement: html, body } = replayer.iframe.contentDocument;
    const height = Math.min(HEIGHT_MAX, Math.max(size.height, html.scrollHeight, body?.scrollHeight ?? 0));
    replayer.iframe.setAttribute("height", String(height));
    replayer.iframe.contentWindow.scrollTo(0, 0);
    root.classList.add("is-still");
    fit({ width: size.width, height });
    return size;
  },
  /** Where the elements of these selectors are, null for those that are not there. */
  boxes: (selectors) => selectors.map(box),

  close() {
    replayer?.destroy();
    replayer = null;
  },
};

/** What an SDK wrote as a selector may be anything. */
function box(selector) {
  try {
    const { left, top, width, height } = replayer.iframe.contentDocument.querySelector(selector).getBoundingClientRect();
    return width && height ? { left, top, width, height } : null;
  } catch {
    return null;
  }
}

const scale = () => Math.min(1.5, innerWidth / size.width, innerHeight / size.height);

/** Scale the recorded page to the frame. */
function fit(next) {
  if (next.width > 0 && next.height > 0) size = next;
  /** @type {HTMLElement} */
  const wrapper = root.querySelector(".replayer-wrapper");
  if (!wrapper) return;
  const by = scale();
  wrapper.style.width = `${size.width}px`;
  wrapper.style.height = `${size.height}px`;
  wrapper.style.transform = `translate(${(innerWidth - size.width * by) / 2}px, ${(innerHeight - size.height * by) / 2}px) scale(${by})`;
}

addEventListener("resize", () => fit(size));

/** For every drawn frame: the pointer where the recording has it. */
function point() {
  if (replayer) pointer.show(root, replayer, window.stage.time());
  requestAnimationFrame(point);
}
point();
