// Rows over time as bars: with errors apart, a pointer that tells, and a brush that zooms.

import { h, show, svg } from "./dom.js";
import { count, counted, fullTime } from "./format.js";
import { LOCALE, t } from "./texts.js";
import { inZone, offset } from "./zone.js";

const HEIGHT = 84;
const FOOT = 18;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const TICKS = [1000, 5000, 15_000, 30_000, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE, 180 * MINUTE, 360 * MINUTE, 720 * MINUTE, DAY, 2 * DAY, 7 * DAY, 28 * DAY, 364 * DAY];

/** Of sessions and of lines. */
const amount = (bucket) => bucket.count ?? bucket.sessions;

export class Chart {
  /** `zoom(from_ms, to_ms)` is called when a stretch was brushed. */
  constructor(zoom) {
    this.zoom = zoom;
    this.element = h("figure", { class: "chart" });
    this.tip = h("div", { class: "chart-tip", hidden: true });
    this.observer = new ResizeObserver(() => this.data && this.draw());
    this.observer.observe(this.element);
  }

  /** `one`, `many`: what is counted. */
  update(data, one, many) {
    this.data = data;
    this.words = [one, many];
    this.draw();
  }

  draw() {
    const { buckets, from_ms: from, step_ms: step } = this.data;
    const width = this.element.clientWidth;
    if (!width) return;
    if (!buckets.length) return show(this.element, svg("svg", { width, height: HEIGHT + FOOT, role: "img", "aria-label": t`No ${this.words[1]}` }));
    const most = Math.max(1, ...buckets.map(amount));
    const slot = width / Math.max(1, buckets.length);
    const tall = (value) => (value ? Math.max(2, (value / most) * (HEIGHT - 8)) : 0);
    const bars = buckets.map((bucket, index) => this.bar(index * slot, slot, tall(amount(bucket)), tall(Math.min(bucket.errors ?? 0, amount(bucket)))));
    const total = buckets.reduce((sum, bucket) => sum + amount(bucket), 0);
    const name = t`${counted(total, ...this.words)} from ${fullTime(from)} to ${fullTime(from + step * buckets.length)}`;
    this.brush = svg("rect", { class: "brush", y: 0, height: HEIGHT, width: 0 });
    const base = svg("line", { class: "base", x1: 0, x2: width, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5 });
    const drawing = svg("svg", { width, height: HEIGHT + FOOT, role: "img", "aria-label": name }, bars, base, this.ticks(width), this.brush);
    this.listen(drawing, width);
    show(this.element, drawing, this.tip);
  }

  bar(x, slot, height, errors) {
    const gap = slot > 6 ? 2 : slot > 3 ? 1 : 0;
    const box = { x: x + gap / 2, width: Math.max(1, slot - gap), rx: Math.min(2, slot / 4) };
    if (!height) return [];
    return [svg("rect", { ...box, class: "bar", y: HEIGHT - height, height }), errors > 0 && svg("rect", { ...box, class: "bar errors", y: HEIGHT - errors, height: errors })];
  }

  /** Labels at round moments of the zone's clocks. */
  ticks(width) {
    const { buckets, from_ms: from, step_ms: step } = this.data;
    const span = step * buckets.length;
    const every = TICKS.find((one) => span / one <= width / 110) ?? TICKS.at(-1);
    const words = new Intl.DateTimeFormat(LOCALE, every >= DAY ? { ...inZone(), month: "short", day: "numeric" } : { ...inZone(), hour: "2-digit", minute: "2-digit", ...(every < MINUTE && { second: "2-digit" }), hour12: false });
    const zone = -offset(from);
    const marks = [];
    for (let at = Math.ceil((from - zone) / every) * every + zone; at < from + span; at += every) {
      const x = ((at - from) / span) * width;
      if (x > 20 && x < width - 24) marks.push(svg("text", { class: "tick", x, y: HEIGHT + 14, "text-anchor": "middle" }, words.format(at)));
    }
    return marks;
  }

  listen(drawing, width) {
    const { buckets, from_ms: from, step_ms: step } = this.data;
    const x = (event) => Math.max(0, Math.min(width, event.clientX - drawing.getBoundingClientRect().left));
    const moment = (at) => Math.round(from + (at / width) * step * buckets.length);
    let start = null;
    drawing.addEventListener("pointerdown", (event) => {
      start = x(event);
      drawing.setPointerCapture(event.pointerId);
    });
    drawing.addEventListener("pointermove", (event) => {
      const at = x(event);
      this.tell(buckets[Math.min(buckets.length - 1, Math.floor((at / width) * buckets.length))], at, width);
      if (start === null) return;
      this.brush.setAttribute("x", Math.min(start, at));
      this.brush.setAttribute("width", Math.abs(at - start));
    });
    drawing.addEventListener("pointerup", (event) => {
      const [left, right] = [Math.min(start, x(event)), Math.max(start, x(event))];
      start = null;
      if (right - left > 4) return this.zoom(moment(left), moment(right));
      this.brush.setAttribute("width", 0);
    });
    drawing.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }

  tell(bucket, at, width) {
    if (!bucket) return;
    show(this.tip, h("strong", {}, fullTime(bucket.start_ms)), h("span", {}, counted(amount(bucket), ...this.words)), bucket.errors ? h("span", {}, t`${count(bucket.errors)} with errors`) : null);
    this.tip.hidden = false;
    this.tip.style.left = `${Math.max(0, Math.min(at + 12, width - this.tip.offsetWidth))}px`;
  }

  leave() {
    this.observer.disconnect();
  }
}
