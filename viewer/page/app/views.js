// Saved views: addresses of this page with a name, kept in this browser; a link is the way to give one away.

import { go } from "./address.js";
import { copy, h, icon } from "./dom.js";
import { closeMenu, openPanel } from "./menu.js";
import { t } from "./texts.js";

const KEY = "replaylake.views";
const MOST = 200;

/** @returns {{name: string, address: string}[]} */
const known = () => {
  const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
  return Array.isArray(kept) ? kept.filter((one) => typeof one?.name === "string" && /^\/(\?|$)/.test(one.address)) : [];
};
const keep = (views) => localStorage.setItem(KEY, JSON.stringify(views.slice(0, MOST)));

/** The panel at the button; `usual`: a name to begin with. */
export function showViews(anchor, usual) {
  const address = location.pathname + location.search;
  const name = h("input", { class: "input", "aria-label": t`Name of this view`, value: known().find((one) => one.address === address)?.name ?? usual, maxlength: 80, required: true });
  const save = (event) => {
    event.preventDefault();
    keep([{ name: name.value.trim(), address }, ...known().filter((one) => one.name !== name.value.trim())]);
    showViews(anchor, usual);
  };
  const line = (one) =>
    h(
      "li",
      {},
      h("a", { href: one.address, "aria-current": one.address === address ? "page" : null, onclick: (event) => !event.ctrlKey && !event.metaKey && (event.preventDefault(), closeMenu(), go(one.address)) }, one.name),
      h("button", { type: "button", class: "button plain small", "aria-label": t`Copy the link of ${one.name}`, title: t`Copy the link`, onclick: () => copy(new URL(one.address, location.href).href) }, icon("copy")),
      h("button", { type: "button", class: "button plain small", "aria-label": t`Forget ${one.name}`, title: t`Forget`, onclick: () => (keep(known().filter((other) => other.name !== one.name)), showViews(anchor, usual)) }, icon("close")),
    );
  const views = known();
  const list = views.length ? h("ul", { class: "views-list" }, views.map(line)) : h("p", { class: "hint" }, t`None yet. They stay in this browser.`);
  openPanel(anchor, t`Saved views`, h("form", { class: "save-view", onsubmit: save }, name, h("button", { class: "button primary" }, t`Save this view`)), list);
}
