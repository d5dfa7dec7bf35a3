// The player's time line: what is loaded, where nobody did anything, what is missing, pages, errors, rage clicks; drag, click or keys to seek.

import { h, show } from "./dom.js";
import { isRage } from "./entries.js";
import { duration, position } from "./format.js";
import { t } from "./texts.js";

const NEAR = 0.004; // of the length: marks of what is missing that lie closer than this become one

export class Scrubber {
  /** `seek(ms)` with Unix ms; `epoch` is the session's beginning. */
  constructor(seek, epoch) {
    this.seek = seek;
    this.epoch = epoch;
    this.played = h("div", { class: "scrub-played" });
    this.marks = h("div", { class: "scrub-marks", "aria-hidden": "true" });
    this.loaded = h("div", { class: "scrub-loaded" });
    this.knob = h("div", { class: "scrub-knob" });
    this.tip = h("div", { class: "scrub-tip", hidden: true, "aria-hidden": "true" });
    const bar = h("div", { class: "scrub-bar" }, this.loaded, this.played);
    this.element = h("div", { class: "scrubber", role: "slider", tabindex: 0, "aria-label": t`Position in the replay`, "aria-valuemin": 0 }, bar, this.marks, this.knob, this.tip);
    this.listen();
  }

  /** Show a visit, or the same one that has grown. `missing`: `{from, to, words, kind}`. */
  setVisit(visit, entries, missing) {
    this.visit = visit;
    this.entries = entries.filter((entry) => entry.at >= visit.start_ms && entry.at <= visit.end_ms);
    this.missing = missing;
    this.element.setAttribute("aria-valuemax", Math.round(this.length / 1000));
    const stretch =
      (name) =>
      ([from, to]) =>
        h("div", { class: name, style: { left: this.percent(from), width: `${((to - from) / this.length) * 100}%` } });
    const mark = (name) => (entry) => h("div", { class: name, style: { left: this.percent(entry.at) } });
    const of = (kind) => this.entries.filter((entry) => entry.kind === kind);
    const gaps = missing.filter(({ kind }) => kind === "gap").map(({ from, to }) => [from, to]);
    const unseen = apart(
      missing.filter(({ kind }) => kind === "unseen").map(({ from }) => from),
      this.length * NEAR,
    ).map((at) => ({ at }));
    show(
      this.marks,
      visit.idle.map(stretch("mark-idle")),
      gaps.map(stretch("mark-gap")),
      unseen.map(mark("mark-unseen")),
      of("view").map(mark("mark-view")),
      of("action").filter(isRage).map(mark("mark-rage")),
      of("error").map(mark("mark-error")),
    );
  }

  get length() {
    return Math.max(1, this.visit.end_ms - this.visit.start_ms);
  }

  percent(ms) {
    return `${Math.max(0, Math.min(100, ((ms - this.visit.start_ms) / this.length) * 100))}%`;
  }

  update(at, loaded) {
    this.at = at;
    this.played.style.width = this.percent(at);
    this.knob.style.left = this.percent(at);
    const seconds = String(Math.round((at - this.visit.start_ms) / 1000));
    if (this.element.getAttribute("aria-valuenow") !== seconds) {
      this.element.setAttribute("aria-valuenow", seconds);
      const lost = this.lostAt(at, 0)[0];
      this.element.setAttribute("aria-valuetext", t`${position(at - this.epoch)} of ${position(this.visit.end_ms - this.epoch)}${lost ? `, ${lost.words}` : ""}`);
    }
    if (!loaded) return;
    this.loaded.style.left = this.percent(loaded[0]);
    this.loaded.style.width = `${((loaded[1] - loaded[0]) / this.length) * 100}%`;
  }

  lostAt(ms, near) {
    return this.missing.filter(({ from, to }) => ms >= from - near && ms <= to + near);
  }

  listen() {
    const moment = (event) => {
      const box = this.element.getBoundingClientRect();
      return this.visit.start_ms + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.length;
    };
    let isDragged = false;
    this.element.addEventListener("pointerdown", (event) => {
      if (!this.visit) return;
      isDragged = true;
      this.element.setPointerCapture(event.pointerId);
      this.update(moment(event));
    });
    this.element.addEventListener("pointermove", (event) => {
      if (!this.visit) return;
      this.tell(moment(event));
      if (isDragged) this.update(moment(event));
    });
    this.element.addEventListener("pointerup", (event) => {
      if (isDragged) this.seek(moment(event));
      isDragged = false;
    });
    this.element.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.element.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 5000, ArrowUp: 5000, ArrowLeft: -5000, ArrowDown: -5000, PageUp: 30_000, PageDown: -30_000 };
      const isEnd = event.key === "Home" || event.key === "End";
      if (!this.visit || (!(event.key in steps) && !isEnd)) return;
      event.preventDefault();
      event.stopPropagation();
      if (isEnd) return this.seek(event.key === "Home" ? this.visit.start_ms : this.visit.end_ms);
      this.seek(this.at + steps[event.key] * (event.shiftKey ? 6 : 1));
    });
  }

  tell(ms) {
    const near = this.length / 120;
    const marked = this.entries.filter((entry) => (entry.kind === "error" || isRage(entry)) && Math.abs(entry.at - ms) < near);
    const idle = this.visit.idle.find(([from, to]) => ms >= from && ms <= to);
    const lines = marked.slice(0, 3).map((entry) => h("span", { class: entry.kind === "error" ? "bad" : "warn" }, entry.title.slice(0, 80)));
    const lost = new Set(this.lostAt(ms, near / 2).map(({ words }) => words));
    lines.push(...[...lost].slice(0, 2).map((words) => h("span", {}, words)));
    if (!lines.length && idle) lines.push(h("span", {}, t`Inactive for ${duration(idle[1] - idle[0])}`));
    show(this.tip, h("strong", {}, position(ms - this.epoch)), lines);
    this.tip.hidden = false;
    const width = this.element.clientWidth;
    const x = ((ms - this.visit.start_ms) / this.length) * width;
    this.tip.style.left = `${Math.max(0, Math.min(width - this.tip.offsetWidth, x - this.tip.offsetWidth / 2))}px`;
  }
}

/** Of moments that lie close together, the first. */
function apart(moments, distance) {
  const kept = [];
  for (const at of [...moments].sort((a, b) => a - b)) if (at - (kept.at(-1) ?? -Infinity) > distance) kept.push(at);
  return kept;
}
