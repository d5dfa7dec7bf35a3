// The player's time line: what is loaded, where nobody did anything, pages, errors, rage clicks; drag, click or keys to seek.

import { h, show } from "./dom.js";
import { isRage } from "./entries.js";
import { duration, position } from "./format.js";

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
    this.element = h("div", { class: "scrubber", role: "slider", tabindex: 0, "aria-label": "Position in the replay", "aria-valuemin": 0 }, bar, this.marks, this.knob, this.tip);
    this.listen();
  }

  /** Show another track, or the same one that has grown. */
  setTrack(track, entries) {
    this.track = track;
    this.entries = entries.filter((entry) => entry.at >= track.start_ms && entry.at <= track.end_ms);
    this.element.setAttribute("aria-valuemax", Math.round(this.length / 1000));
    const idle = track.idle.map(([from, to]) => h("div", { class: "mark-idle", style: { left: this.percent(from), width: `${((to - from) / this.length) * 100}%` } }));
    const mark = (name) => (entry) => h("div", { class: name, style: { left: this.percent(entry.at) } });
    const of = (kind) => this.entries.filter((entry) => entry.kind === kind);
    show(this.marks, idle, of("view").map(mark("mark-view")), of("action").filter(isRage).map(mark("mark-rage")), of("error").map(mark("mark-error")));
  }

  get length() {
    return Math.max(1, this.track.end_ms - this.track.start_ms);
  }

  percent(ms) {
    return `${Math.max(0, Math.min(100, ((ms - this.track.start_ms) / this.length) * 100))}%`;
  }

  update(at, loaded) {
    this.at = at;
    this.played.style.width = this.percent(at);
    this.knob.style.left = this.percent(at);
    const seconds = String(Math.round((at - this.track.start_ms) / 1000));
    if (this.element.getAttribute("aria-valuenow") !== seconds) {
      this.element.setAttribute("aria-valuenow", seconds);
      this.element.setAttribute("aria-valuetext", `${position(at - this.epoch)} of ${position(this.track.end_ms - this.epoch)}`);
    }
    if (!loaded) return;
    this.loaded.style.left = this.percent(loaded[0]);
    this.loaded.style.width = `${((loaded[1] - loaded[0]) / this.length) * 100}%`;
  }

  listen() {
    const moment = (event) => {
      const box = this.element.getBoundingClientRect();
      return this.track.start_ms + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.length;
    };
    let isDragged = false;
    this.element.addEventListener("pointerdown", (event) => {
      isDragged = true;
      this.element.setPointerCapture(event.pointerId);
      this.update(moment(event));
    });
    this.element.addEventListener("pointermove", (event) => {
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
      const ends = { Home: this.track.start_ms, End: this.track.end_ms };
      if (!(event.key in steps) && !(event.key in ends)) return;
      event.preventDefault();
      event.stopPropagation();
      this.seek(ends[event.key] ?? this.at + steps[event.key] * (event.shiftKey ? 6 : 1));
    });
  }

  tell(ms) {
    const near = this.length / 120;
    const marked = this.entries.filter((entry) => (entry.kind === "error" || isRage(entry)) && Math.abs(entry.at - ms) < near);
    const idle = this.track.idle.find(([from, to]) => ms >= from && ms <= to);
    const lines = marked.slice(0, 3).map((entry) => h("span", { class: entry.kind === "error" ? "bad" : "warn" }, entry.title.slice(0, 80)));
    if (!lines.length && idle) lines.push(h("span", {}, `Inactive for ${duration(idle[1] - idle[0])}`));
    show(this.tip, h("strong", {}, position(ms - this.epoch)), lines);
    this.tip.hidden = false;
    const width = this.element.clientWidth;
    const x = ((ms - this.track.start_ms) / this.length) * width;
    this.tip.style.left = `${Math.max(0, Math.min(width - this.tip.offsetWidth, x - this.tip.offsetWidth / 2))}px`;
  }
}
