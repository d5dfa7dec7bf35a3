// The panel of what is chosen for this browser.

import { h, icon } from "./dom.js";
import { openPanel } from "./menu.js";
import { prefer } from "./preferences.js";
import { LANGUAGE, LANGUAGES, t } from "./texts.js";
import { ownZone, ZONE } from "./zone.js";

/** A button at the top of every view; it names the time zone where that is not the browser's. */
export function settings() {
  const button = h(
    "button",
    { class: "button plain", type: "button", "aria-haspopup": "dialog", "aria-label": t`Settings`, title: t`Times are those of ${ZONE || ownZone()}` },
    icon("globe"),
    ZONE ? h("span", { class: "zone-name" }, ZONE.split("/").at(-1).replaceAll("_", " ")) : null,
  );
  button.addEventListener("click", () => openPanel(button, t`Settings`, ...panel()));
  return button;
}

function panel() {
  const option = (value, words) => h("option", { value, selected: value === ZONE }, words);
  const others = Intl.supportedValuesOf("timeZone").filter((name) => name !== "UTC");
  const zones = h(
    "select",
    { class: "input", onchange: () => useZone(zones.value) },
    option("", t`This browser's (${ownZone()})`),
    option("UTC", "UTC"),
    others.map((name) => option(name, name.replaceAll("_", " "))),
  );
  const languages = h(
    "select",
    { class: "input", onchange: () => (prefer("language", languages.value), location.reload()) },
    Object.entries(LANGUAGES).map(([value, words]) => h("option", { value, lang: value, selected: value === LANGUAGE }, words)),
  );
  return [
    h("label", { class: "choice" }, t`Language`, languages),
    h("p", { class: "hint" }, t`Kept in this browser.`),
    h("label", { class: "choice" }, t`Time zone`, zones),
    h("p", { class: "hint" }, t`Kept in this browser, and in links.`),
  ];
}

/** All that is shown is made anew. */
function useZone(zone) {
  prefer("zone", zone);
  const address = new URL(location.href);
  address.searchParams.delete("tz");
  if (zone) address.searchParams.set("tz", zone);
  if (address.href === location.href) location.reload();
  else location.assign(address);
}
