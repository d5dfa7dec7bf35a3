// Keyboard: each view brings its keys, `?` lists them.

import { h } from "./dom.js";
import { t } from "./texts.js";

let bindings = [];

/** `[{keys: ["j"], does: "next session", run}]`; replaces those of the view before. With `always()` true a key does so
 * also where the focus is on a button, which enter presses. */
export function bindKeys(list) {
  bindings = list;
}

function typing(target) {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const target = /** @type {HTMLInputElement} */ (event.target);
  if (typing(target) && target.type !== "checkbox") {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (event.key === "?") return showHelp();
  const binding = bindings.find(({ keys }) => keys.includes(event.key));
  if (binding?.always?.() && !needsSpace(event.target)) {
    event.preventDefault();
    return binding.run(event);
  }
  const onButton = event.target instanceof Element && event.target.closest("button, a, summary, [role=menuitem], [role=slider]");
  if (onButton && (event.key === " " || event.key === "Enter")) return;
  if (onButton?.matches("[role=menuitem], [role=slider]") && event.key.startsWith("Arrow")) return;
  if (!binding) return;
  event.preventDefault();
  binding.run(event);
});

/** Some browsers press a button when space is let go, whatever became of its being pressed. */
document.addEventListener("keyup", (event) => {
  const isOurs = event.key === " " && bindings.some(({ keys, always }) => keys.includes(" ") && always?.());
  if (isOurs && !typing(event.target) && !needsSpace(event.target)) event.preventDefault();
});

/** What only space can do, by keyboard: tick a box that was reached by keyboard, choose in a menu. */
function needsSpace(target) {
  return target instanceof Element && (target.matches("[type=checkbox]:focus-visible") || Boolean(target.closest("[role=menuitem], [role=dialog], dialog")));
}

const NAMES = { " ": t`space`, ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

export function showHelp() {
  const rows = [...bindings, { keys: ["?"], does: t`this list` }, { keys: ["Esc"], does: t`close` }].map(({ keys, does }) =>
    h(
      "div",
      { class: "help-row" },
      h(
        "dt",
        {},
        keys.map((key) => h("kbd", {}, NAMES[key] ?? key)),
      ),
      h("dd", {}, does),
    ),
  );
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "help-title", onclose: () => dialog.remove() },
    h("h2", { id: "help-title" }, t`Keys`),
    h("dl", {}, rows),
    h("form", { method: "dialog" }, h("button", { class: "button" }, t`Close`)),
  );
  document.body.append(dialog);
  dialog.showModal();
}
