// What of a replay is missing: told by the server, seen while its chunks are put on the stage, and how to allow what was not loaded.

import { copy, h, icon } from "./dom.js";
import { counted, duration, position } from "./format.js";
import { t } from "./texts.js";

const LOADED = { image: t`image`, font: t`font`, style: t`style sheet` };

export class Missing {
  /** `showTail()` shows what was recorded after the session's end. */
  constructor({ epoch, showTail }) {
    this.epoch = epoch;
    this.showTail = showTail;
    this.reports = new Map(); // of chunks that were on the stage
    this.notes = [];
  }

  setReplay(replay, visit) {
    this.notes = replay.notes ?? [];
    this.visit = visit;
  }

  /** What the stage says of a chunk: `{notes, missing: [{kind, origin, at, count}]}`. */
  add(track, chunk, report) {
    this.reports.set(`${track}/${chunk}`, { track, ...report });
  }

  get seen() {
    return [...this.reports.values()].flatMap(({ missing }) => missing);
  }

  /** What was not loaded, by origin: `{origin, image, font, style}`; "" are addresses without one. */
  get unloaded() {
    const origins = new Map();
    for (const { kind, origin, count } of this.seen) {
      if (!(kind in LOADED)) continue;
      const own = origins.get(origin) ?? { origin };
      own[kind] = (own[kind] ?? 0) + count;
      origins.set(origin, own);
    }
    return [...origins.values()].sort((a, b) => (a.origin < b.origin ? -1 : 1));
  }

  /** Stretches and moments for the time line: `{from, to, words, kind}`. */
  get marks() {
    const gaps = this.visit.gaps.map(([from, to]) => ({ from, to, kind: "gap", words: t`Not recorded for ${duration(to - from)}` }));
    const holes = this.visit.holes.map((hole) => ({
      from: hole.from_ms,
      to: hole.to_ms,
      kind: "gap",
      words: hole.kind === "missing_segments" ? t`${counted(hole.count, t`segment`)} of the recording never arrived` : t`${counted(hole.count, t`segment`)} of the recording cannot be read`,
    }));
    const canvases = this.seen.filter(({ kind }) => kind === "canvas").map(({ at }) => ({ from: at, to: at, kind: "unseen", words: t`Drawn on a canvas, not recorded as a picture` }));
    const unloaded = this.seen.filter(({ kind }) => kind in LOADED).map(({ at, kind, count, origin }) => ({ from: at, to: at, kind: "unseen", words: t`${counted(count, LOADED[kind])} of ${origin || t`unknown addresses`} not loaded` }));
    return [...gaps, ...holes, ...canvases, ...unloaded];
  }

  /** How many things there are to tell. */
  get count() {
    return this.lines().length;
  }

  lines() {
    const notes = this.notes.map(({ text }) => sentence(text));
    const told = new Map();
    for (const { notes: own = [] } of this.reports.values()) {
      for (const note of own) told.set(`${note.kind}/${note.detail}/${note.track}`, [...(told.get(`${note.kind}/${note.detail}/${note.track}`) ?? []), note]);
    }
    for (const some of told.values()) notes.push(sentence(summed(some)));
    const gaps = this.visit.gaps.map(([from, to]) => t`Nothing was recorded from ${position(from - this.epoch)} to ${position(to - this.epoch)} (${duration(to - from)})`);
    const tail = this.visit.tail_ms ? [t`The recording goes on for ${duration(this.visit.tail_ms)} after the end of the session: what a browser sent that was asleep or left open`] : [];
    const unloaded = this.unloaded.map(
      (own) =>
        t`Not loaded: ${Object.keys(LOADED)
          .filter((kind) => own[kind])
          .map((kind) => counted(own[kind], LOADED[kind]))
          .join(", ")} of ${own.origin || t`addresses that are none`}`,
    );
    return [...notes, ...gaps, ...tail, ...unloaded];
  }

  /** The content of the panel. */
  panel() {
    const origins = this.unloaded.map(({ origin }) => origin).filter(Boolean);
    const setting = `[serve]\nallow_recorded_origins = ${JSON.stringify(origins)}`;
    const allow = origins.length
      ? [
          h("h3", {}, t`To load these`),
          h("p", { class: "hint" }, t`A recording may load only from servers that the operator trusts: they hear when a replay is watched, and from where. In the configuration of replaylake serve:`),
          h("pre", { class: "setting", tabindex: 0 }, setting),
          h("button", { class: "button", type: "button", onclick: () => copy(setting) }, icon("copy"), t`Copy`),
        ]
      : null;
    const tail = this.visit.tail_ms ? h("button", { class: "button", type: "button", onclick: this.showTail }, t`Show what came after the end`) : null;
    return [
      h("p", { class: "menu-title" }, t`Missing from this replay`),
      h(
        "ul",
        { class: "missing-list", tabindex: 0 },
        this.lines().map((line) => h("li", {}, line)),
      ),
      tail,
      allow,
    ];
  }
}

/** One text for the same loss in several chunks. */
function summed(notes) {
  const count = notes.reduce((sum, note) => sum + note.count, 0);
  const text = notes[0].text.replace(/^track \d+: /, "");
  return notes.length === 1 ? text : text.replace(String(notes[0].count), String(count));
}

const sentence = (text) => text.replace(/^./, (first) => first.toUpperCase());
