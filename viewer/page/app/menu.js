// Small pop-up menus and panels: open at a button, closed by Escape, a choice, or a click elsewhere.

import { h } from "./dom.js";

let opened = null;

export function closeMenu() {
  opened?.close();
}

/** A menu of actions at `anchor`: `[{label, run}]`. */
export function openMenu(anchor, title, items) {
  /** @type {HTMLElement[]} */
  const buttons = items.map(({ label, run }) => h("button", { type: "button", role: "menuitem", tabindex: -1, onclick: () => (closeMenu(), run()) }, label));
  const panel = h("div", { class: "menu", role: "menu", "aria-label": title }, h("div", { class: "menu-title", "aria-hidden": "true" }, title), buttons);
  panel.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Tab") closeMenu();
    if (!step) return;
    event.preventDefault();
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    buttons[(at + step + buttons.length) % buttons.length].focus();
  });
  place(anchor, panel);
  buttons[0]?.focus();
}

/** Any content at `anchor`, for example the choice of columns. */
export function openPanel(anchor, title, ...content) {
  const panel = h("div", { class: "menu panel", role: "dialog", "aria-label": title }, content);
  place(anchor, panel);
  panel.querySelector("input, button, select, a")?.focus();
  return panel;
}

function place(anchor, panel) {
  closeMenu();
  const wasFocused = /** @type {HTMLElement | null} */ (document.activeElement);
  (document.fullscreenElement ?? anchor.closest("main, header") ?? document.body).append(panel); // a landmark, and on the screen
  const box = anchor.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, innerWidth - panel.offsetWidth - 8));
  const below = box.bottom + 4;
  const top = below + panel.offsetHeight < innerHeight ? below : Math.max(8, box.top - panel.offsetHeight - 4);
  panel.style.left = `${left}px`;
  panel.style.top = `${top}px`;
  anchor.setAttribute("aria-expanded", "true");
  const outside = (event) => panel.contains(event.target) || closeMenu();
  const escape = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    closeMenu();
    wasFocused?.focus?.();
  };
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("keydown", escape, true);
  addEventListener("resize", closeMenu);
  opened = {
    close() {
      opened = null;
      anchor.removeAttribute("aria-expanded");
      document.removeEventListener("pointerdown", outside, true);
      document.removeEventListener("keydown", escape, true);
      removeEventListener("resize", closeMenu);
      panel.remove();
    },
  };
}
