// Building elements. Every value becomes text or an attribute, never markup: what was recorded cannot become part of the page.

import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", {class: "x", onclick: f, "aria-label": "…"}, "text", child)`. Null children are left out. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      if (typeof value !== "function") throw new TypeError(`${name} must be a function`);
      element.addEventListener(name.slice(2), value);
    } else if (name === "style") {
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, String(text));
    } else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replace all children. */
export function show(parent, ...children) {
  parent.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
}

/** A line icon, decorative: the button around it has the name. */
export function icon(name) {
  const [path, solid] = ICONS[name];
  const paint = solid ? { fill: "currentColor" } : { fill: "none", stroke: "currentColor", "stroke-width": 1.75 };
  const drawn = svg("path", { d: path, ...paint, "stroke-linecap": "round", "stroke-linejoin": "round" });
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, drawn);
}

const ICONS = {
  play: ["M7 4.500v15l12.5-7.500z", true],
  pause: ["M7 5h3.500v14H7zM13.5 5H17v14h-3.500z", true],
  back: ["M15 5l-7 7 7 7"],
  next: ["M9 5l7 7-7 7"],
  up: ["M5 15l7-7 7 7"],
  down: ["M5 9l7 7 7-7"],
  close: ["M6 6l12 12M18 6L6 18"],
  more: ["M5 12h.01M12 12h.01M19 12h.01"],
  search: ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4"],
  columns: ["M4 5h16v14H4zM10 5v14M15 5v14"],
  share: ["M12 15V4M8 7.500L12 4l4 3.500M5 12v7h14v-7"],
  full: ["M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"],
  list: ["M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01"],
  page: ["M6 3h8l5 5v13H6zM14 3v5h5"],
  click: ["M9 9l11 4.5-5 1.5-1.5 5zM5 5l2 2M4 10h2.500M10 4v2.5"],
  error: ["M12 4l9 16H3zM12 10v4M12 17h.01"],
  console: ["M4 5h16v14H4zM7.500 9.500l3 2.500-3 2.500M12.500 15h4"],
  resource: ["M12 4v11M7.5 11l4.5 4.5 4.5-4.500M5 20h14"],
  task: ["M12 7v5l3 2M12 3.500a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z"],
  skip: ["M5 5v14l9-7zM17.5 5v14"],
  help: ["M9.5 9a2.5 2.5 0 1 1 3.5 2.300c-.8.4-1 .900-1 1.700M12 16.500h.01M12 3.500a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z"],
  copy: ["M9 9h11v11H9zM5 15V4h11"],
  open: ["M14 4h6v6M20 4l-9 9M18 14v6H4V6h6"],
  details: ["M12 11v5M12 7.500h.01M12 3.500a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z"],
  save: ["M4 8h4l1.500-2.500h5L16 8h4v11H4zM12 10a3 3 0 1 0 0 6 3 3 0 0 0 0-6z"],
  "save-file": ["M12 4v10M8 10.500l4 4 4-4M5 19.500h14"],
  filter: ["M4 5h16l-6 7.500V19l-4-2v-4.500z"],
  star: ["M12 4l2.400 5 5.600.700-4.100 3.800 1.100 5.500-5-2.800-5 2.800 1.100-5.500L4 9.700 9.600 9z"],
  globe: ["M12 3.500a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM3.500 12h17M12 3.500c3 3 3 14 0 17M12 3.500c-3 3-3 14 0 17"],
  person: ["M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.500 20c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500"],
  rage: ["M13 3L5 14h6l-1 7 8-11h-6z", true],
};

/** Tell screen readers, and for a moment everyone. */
export function announce(text, { visible = true } = {}) {
  document.getElementById("announcer").textContent = text;
  if (!visible) return;
  document.querySelector(".toast")?.remove();
  const toast = h("div", { class: "toast", "aria-hidden": "true" }, text);
  (document.fullscreenElement ?? document.body).append(toast);
  setTimeout(() => toast.remove(), 3500);
}

/** Copy text; says so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce(t`Copied`);
  } catch {
    const area = h("textarea", { class: "visually-hidden" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    announce(copied ? t`Copied` : t`The browser does not allow copying here`);
  }
}
