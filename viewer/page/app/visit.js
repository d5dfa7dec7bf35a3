// A visit as one line of time over all its tabs: in which of them the visitor is, what was never recorded, where it ends.

import { t } from "./texts.js";

const GAP_MS = 1000; // shorter stretches without a recording are not told
const TAIL_MS = 1500; // a recording that ends so little after the session ends with it
const AHEAD_MS = 800; // a tab is shown so long before the visitor does something in it
const STAY_MS = 2000; // for less than that the picture does not change to another tab
const INPUT_MS = 500; // of the inputs of a recording one in so many ms is kept

const INCREMENTAL = 3;
const INPUTS = new Set([1, 2, 5, 6, 12]); // moves, clicks, typing, touches, drags
const BLUR = 6;

export class Visit {
  /** `start`, `end`: of the session, Unix ms; `withTail`: what was recorded after its end, too. */
  constructor({ replay, entries, start, end, withTail = false }) {
    const recorded = replay.tracks.filter((track) => track.chunks.length);
    const last = Math.max(...recorded.map((track) => track.end_ms), start);
    const isBounded = end !== null && end > start && !replay.live;
    const until = isBounded && !withTail ? end : last;
    this.end_ms = recorded.some((track) => track.start_ms < until) ? until : last;
    this.start_ms = Math.min(start, ...recorded.map((track) => track.start_ms));
    this.tail_ms = isBounded && last - end > TAIL_MS ? last - end : 0;
    this.tracks = recorded.filter((track) => track.start_ms < this.end_ms).map((track) => ({ ...track, end_ms: Math.min(track.end_ms, this.end_ms) }));
    this.idle = distinct(this.tracks.flatMap((track) => track.idle)).map(([from, to]) => [from, Math.min(to, this.end_ms)]);
    this.gaps = this.uncovered();
    this.holes = (replay.missing ?? []).filter((hole) => hole.from_ms < this.end_ms && !this.gaps.some(([from, to]) => hole.from_ms >= from && hole.to_ms <= to));
    this.places = new Map(this.tracks.flatMap((track) => track.views.map((view) => [view.view_id, track.track])));
    this.knowsPages = entries.some(({ kind, row }) => kind === "view" && this.places.has(row.view_id)); // else they are windows
    this.pages = entries.filter((entry) => entry.kind === "view" && (entry.row.view_url || entry.row.url));
    this.marks = entries.filter(({ kind, row }) => ["view", "action"].includes(kind) && this.places.has(row?.view_id)).map(({ at, row }) => ({ at, track: this.places.get(row.view_id) }));
    this.order();
  }

  /** What the recording of a tab tells of the visitor's doings there: moments of input. */
  addInputs(track, moments) {
    this.marks.push(...moments.map((at) => ({ at, track })));
    this.order();
  }

  /** Marks in order of time become stays: from when on the visitor is in which tab. Short looks elsewhere are left out. */
  order() {
    this.marks.sort((a, b) => a.at - b.at);
    const runs = [];
    let before = -Infinity;
    for (const { at, track } of this.marks) {
      if (runs.at(-1)?.track !== track) runs.push({ track, from: Math.max(at - AHEAD_MS, before === -Infinity ? before : (before + at) / 2) });
      before = at;
    }
    this.stays = runs.filter(({ from }, place) => place === 0 || (runs[place + 1]?.from ?? Infinity) - from >= STAY_MS);
  }

  covering(ms) {
    return this.tracks.filter((track) => ms >= track.start_ms && ms <= track.end_ms);
  }

  /** The tab in which the visitor is at a moment; null when nothing was recorded. */
  trackAt(ms) {
    const candidates = this.covering(ms);
    if (candidates.length < 2) return candidates[0] ?? null;
    const isHere = (stay) => candidates.some((track) => track.track === stay.track);
    const stay = this.stays.findLast((one) => one.from <= ms && isHere(one)) ?? this.stays.find(isHere);
    return candidates.find((track) => track.track === stay?.track) ?? candidates[0];
  }

  /** The tab in which something happened, or the one that was there at its moment; null when nothing was recorded. */
  trackOf({ at, row }) {
    const own = this.places.get(row?.view_id);
    const isNear = (track) => at >= track.start_ms - GAP_MS && at <= track.end_ms + GAP_MS;
    return this.tracks.find((track) => track.track === own && isNear(track)) ?? this.trackAt(at) ?? this.tracks.find(isNear) ?? null;
  }

  /** Whether there is a picture of an entry's page at its moment. */
  isRecorded(entry) {
    const isOfLostPage = this.knowsPages && entry.row?.view_id && !this.places.has(entry.row.view_id);
    return !isOfLostPage && this.trackOf(entry) !== null;
  }

  /** The tab that is recorded next after a moment at which none is. */
  next(ms) {
    return this.tracks.filter((track) => track.start_ms > ms).sort((a, b) => a.start_ms - b.start_ms)[0] ?? null;
  }

  /** The stretch without any recording around a moment: [from, to], or null. */
  gapAt(ms) {
    return this.gaps.find(([from, to]) => ms > from && ms < to) ?? null;
  }

  /** The page that a tab shows at a moment. */
  addressAt(track, ms) {
    const isOwn = (view) => this.places.get(view.row.view_id) === track.track;
    const page = this.pages.findLast((view) => view.at <= ms + 50 && isOwn(view)) ?? this.pages.find(isOwn);
    const url = page?.row.view_url ?? page?.row.url;
    return url ?? track.views.findLast((view) => view.start_ms <= ms)?.url ?? track.views[0]?.url ?? "";
  }

  /** `Tab 2 · /cart`. */
  tabName(track, ms) {
    const place = this.tracks.findIndex((one) => one.track === track.track) + 1;
    return [t`Tab ${place}`, pathOf(this.addressAt(track, ms))].filter(Boolean).join(" · ");
  }

  uncovered() {
    const gaps = [];
    let at = this.start_ms;
    for (const track of [...this.tracks].sort((a, b) => a.start_ms - b.start_ms)) {
      if (track.start_ms - at > GAP_MS) gaps.push([at, track.start_ms]);
      at = Math.max(at, track.end_ms);
    }
    if (this.end_ms - at > GAP_MS) gaps.push([at, this.end_ms]);
    return gaps;
  }
}

/** Moments of input in the text of a chunk. */
export function inputsOf(text) {
  const moments = [];
  for (const { type, timestamp, data } of JSON.parse(text).events) {
    const isInput = type === INCREMENTAL && INPUTS.has(data?.source) && !(data.source === 2 && data.type === BLUR);
    if (isInput && timestamp - (moments.at(-1) ?? -Infinity) >= INPUT_MS) moments.push(timestamp);
  }
  return moments;
}

export function pathOf(address) {
  try {
    const { pathname, search, hash } = new URL(address);
    return pathname + search + (/^#!?\//.test(hash) ? hash : "");
  } catch {
    return address;
  }
}

function distinct(stretches) {
  return [...new Map(stretches.map((one) => [one.join(), one])).values()].sort((a, b) => a[0] - b[0]);
}
