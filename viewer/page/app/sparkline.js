// A trend as small bars.

import { svg } from "./dom.js";
import { count } from "./format.js";
import { t } from "./texts.js";

/** Of so many in each step. */
export function sparkline(trend) {
  const [width, height] = [96, 24];
  const most = Math.max(1, ...trend);
  const slot = width / Math.max(1, trend.length);
  const bars = trend.map((value, place) =>
    value ? svg("rect", { class: "bar errors", x: place * slot, width: Math.max(1, slot - 0.5), y: height - Math.max(2, (value / most) * height), height: Math.max(2, (value / most) * height) }) : null,
  );
  const name = t`Trend: ${trend.map(count).join(", ")}`;
  return svg("svg", { class: "sparkline", width, height, role: "img", "aria-label": name }, bars, svg("line", { class: "base", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }));
}
