// What is done in the player beyond playing: following tabs, what is missing, console and network, details, files.
import { readFile } from "node:fs/promises";
import { violations } from "./axe.mjs";
import { at, drawn } from "./pictures.mjs";

const sessionUrl = ({ app, id }, more = "") => `/?app=${encodeURIComponent(app)}&session=${encodeURIComponent(id)}&tab=replay${more}`;
const stageOf = (page) => page.frames().find((frame) => frame.url().endsWith("/page/stage.html"));
const clock = async (page) => drawn(page).then(() => page.locator(".clock").innerText());
const isPlaying = (page) => page.locator(".player").evaluate((player) => player.classList.contains("is-playing"));
const tab = async (page) => drawn(page).then(() => page.getByLabel("Tab of the session").evaluate((choice) => choice.selectedOptions[0].textContent));
const SMALL = { width: 1100, height: 640 };

async function open(page, session, more = "", size = SMALL) {
  await page.setViewportSize(size);
  await page.goto(sessionUrl(session, more));
  await ready(page);
}

const ready = (page) => page.waitForFunction(() => document.querySelector(".clock")?.textContent && document.querySelector(".stage-veil").hidden && document.querySelector(".scrubber").hasAttribute("aria-valuenow"));

async function pause(page) {
  if (await isPlaying(page)) await page.keyboard.press(" ");
}

/** The tab on the screen at moments of a visit in several tabs, by itself and with the switch off. */
export async function followsTabs({ page, job }) {
  const session = job.sessions["gc-multitab"];
  await open(page, session);
  await page.getByRole("button", { name: "8×" }).click();
  const seen = [];
  await page.exposeFunction("tabShown", (name) => seen.push(name));
  await page.evaluate(() => {
    const choice = document.querySelector("select[aria-label='Tab of the session']");
    const look = () => {
      const name = choice.selectedOptions[0]?.textContent;
      if (name && name !== window.lastTab) window.tabShown((window.lastTab = name));
      requestAnimationFrame(look);
    };
    look();
  });
  await page.locator(".stage-note", { hasText: "Now in Tab" }).first().waitFor();
  const note = await page.locator(".stage-note").innerText();
  await page.waitForFunction(() => Number(document.querySelector(".scrubber").getAttribute("aria-valuenow")) >= 34);
  await page.screenshot({ path: `${job.folder}/tabs.png` });
  const followed = [...seen];
  await pause(page);
  const event = page.locator(".event", { hasText: "tab two item 1" }).locator(".event-main").first();
  await event.click();
  const jumped = await tab(page);
  await page.getByLabel("Tab of the session").selectOption({ index: 0 });
  const isOff = !(await page.locator("#follow-tabs").isChecked());
  await page.locator(".scrubber").focus();
  await page.keyboard.press("Home");
  await page.locator(".player").evaluate((player) => player.querySelector(".controls .round").click());
  await page.waitForFunction(() => Number(document.querySelector(".scrubber").getAttribute("aria-valuenow")) >= 24);
  const stayed = await tab(page);
  await page.keyboard.press("t");
  const isOn = await page.locator("#follow-tabs").isChecked();
  return { followed, note, jumped, isOff, stayed, isOn };
}

/** What is missing: in the panel, on the time line, at events, and in place of the picture. */
export async function tellsWhatIsMissing({ page, job }) {
  await open(page, job.sessions["gc-shop"], "&t=40");
  await pause(page);
  await page.locator(".missing-button").click();
  const lines = await page.locator(".missing-list li").allInnerTexts();
  const setting = await page.locator(".setting").innerText();
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  await page.screenshot({ path: `${job.folder}/missing.png` });
  await page.keyboard.press("Escape");
  const gaps = await page.locator(".mark-gap").count();
  const unseen = await page.locator(".mark-unseen").count();
  const box = await page.locator(".scrubber").boundingBox();
  await page.mouse.move(box.x + box.width - 4, box.y + 13);
  const tip = await page.locator(".scrub-tip").innerText();
  const lost = page.locator(".event.unrecorded");
  const words = await lost.first().innerText();
  await lost.first().locator(".event-main").click();
  const nowhere = await page.locator(".stage-note").innerText();
  await page.mouse.click(box.x + box.width - 4, box.y + 13);
  const note = await page.locator(".stage-note").innerText();
  await drawn(page);
  const spoken = await page.locator(".scrubber").getAttribute("aria-valuetext");
  const stood = await at(page);
  await page.keyboard.press(" ");
  await page.waitForFunction(() => document.querySelector(".player").classList.contains("is-playing"));
  return { lines, setting, copied, gaps, unseen, tip, lost: await lost.count(), words, nowhere, note, spoken, stood, after: await at(page) };
}

/** A hole in the middle, images of two origins, drawings on a canvas, and a lost blob: made up, through the real stage. */
export async function tellsEveryLoss({ page, job }) {
  const session = job.sessions.hostile;
  const base = `/api/v1/apps/${encodeURIComponent(session.app)}/sessions/${encodeURIComponent(session.id)}/replay`;
  const answer = await (await page.request.get(base)).json();
  const start = answer.tracks[0].start_ms;
  const node = (id, tagName, attributes = {}, ...childNodes) => ({ type: 2, id, tagName, attributes, childNodes });
  const events = [
    { type: 4, timestamp: start, data: { href: "http://x.example/a?b=1", width: 800, height: 600 } },
    { type: 2, timestamp: start, data: { initialOffset: { top: 0, left: 0 }, node: { type: 0, id: 1, childNodes: [node(2, "html", {}, node(3, "head", {}, node(4, "link", { rel: "stylesheet", href: "https://cdn.example/a.css" }), node(5, "style", { _cssText: "@font-face{font-family:a;src:url(https://fonts.example/a.woff2)}" })), node(6, "body", {}, node(7, "img", { src: "https://img.example/1.png", width: "200", height: "100" }), node(8, "img", { src: "https://img.example/2.png" }), node(9, "canvas", { width: "200", height: "80" })))] } } },
    { type: 3, timestamp: start + 5000, data: { source: 9, id: 9, type: 0, commands: [{ property: "fillRect", args: [0, 0, 1, 1] }] } },
    { type: 3, timestamp: start + 9000, data: { source: 1, positions: [{ x: 5, y: 5, id: 999, timeOffset: 0 }] } },
  ];
  await page.route((url) => url.pathname.endsWith("/replay"), (route) => route.fulfill({ json: { ...answer, missing: [{ from_ms: start + 6000, to_ms: start + 8000, count: 2, kind: "lost_blob", view_id: null }], notes: [{ kind: "lost_blob", count: 1, detail: "replays/x", track: null, text: "the blob replays/x of the recording is gone" }] } }));
  await page.route((url) => url.pathname.endsWith("/replay/events"), (route) => route.fulfill({ json: { events, notes: [{ kind: "canvas", count: 1, detail: "", track: 0, text: "track 0: not shown: 1 drawing on a canvas" }] } }));
  await open(page, session);
  await page.locator(".missing-button").click();
  const lines = await page.locator(".missing-list li").allInnerTexts();
  const setting = await page.locator(".setting").innerText();
  await stageOf(page).waitForFunction(() => document.querySelector("iframe").contentDocument.querySelector("[data-not-loaded]"));
  const hatched = await stageOf(page).evaluate(() => [...document.querySelector("iframe").contentDocument.querySelectorAll("[data-not-loaded]")].filter((one) => getComputedStyle(one).backgroundImage.includes("image%20not%20loaded")).length);
  await page.screenshot({ path: `${job.folder}/losses.png` });
  const canvas = await stageOf(page).evaluate(() => getComputedStyle(document.querySelector("iframe").contentDocument.querySelector("canvas")).backgroundImage.includes("canvas"));
  return { lines, setting, hatched, canvas, gaps: await page.locator(".mark-gap").count(), unseen: await page.locator(".mark-unseen").count() };
}

/** Nothing of the recording can be read: the page says so by itself. */
export async function nothingIsLeft({ page, job }) {
  const session = job.sessions["gc-shop"];
  await page.route((url) => url.pathname.endsWith("/replay"), (route) => route.fulfill({ json: { live: false, tracks: [], missing: [], notes: [{ kind: "lost_blob", count: 1, detail: "replays/x", track: null, text: "the blob replays/x of the recording is gone" }] } }));
  await page.goto(sessionUrl(session).replace("&tab=replay", ""));
  const button = page.getByRole("button", { name: "Show the timeline" });
  await button.waitFor();
  const said = await page.locator("#panel-replay").innerText();
  await button.click();
  await page.locator(".timeline .entry").first().waitFor();
  return { said };
}

/** The head and the player tell one length; what was recorded after the end is shown on demand. */
export async function lengths({ page, job }) {
  const seen = {};
  for (const name of ["gc-shop", "dd-shop", "gc-cap4h", "gc-clock-return"]) {
    await open(page, job.sessions[name]);
    seen[name] = { head: await page.locator(".session-head .hint").innerText(), clock: await clock(page), max: Number(await page.locator(".scrubber").getAttribute("aria-valuemax")) };
  }
  await page.locator(".missing-button").click();
  const line = (await page.locator(".missing-list li").allInnerTexts()).find((one) => one.includes("after the end"));
  await page.getByRole("button", { name: "Show what came after the end" }).click();
  await page.waitForFunction((was) => document.querySelector(".clock").textContent.split("/")[1] !== was.split("/")[1], seen["gc-clock-return"].clock);
  return { seen, line, tail: await clock(page) };
}

/** Space pauses wherever the focus is. */
export async function spacePauses({ page, job }) {
  await open(page, job.sessions["gc-shop"]);
  await page.waitForFunction(() => document.querySelector(".player").classList.contains("is-playing"));
  const seen = {};
  const press = async (name, act) => {
    await act();
    if (!(await isPlaying(page))) await page.keyboard.press(" ");
    const before = await isPlaying(page);
    await page.keyboard.press(" ");
    seen[name] = [before, await isPlaying(page)];
    if (!(await isPlaying(page))) await page.keyboard.press(" ");
  };
  await press("speed", () => page.getByRole("button", { name: "1.5×" }).click());
  await press("time line", () => page.locator(".scrubber").click());
  await press("event", () => page.locator(".event-main").nth(3).click());
  await press("switch", () => page.locator("label.switch").last().click());
  await press("reached by keyboard", () => page.getByRole("button", { name: "Share" }).focus());
  await press("tab", () => page.locator("#tab-replay").focus());
  const panels = await page.locator(".panel").count();
  return { seen, panels, speed: await page.locator(".segmented [aria-pressed=true]").innerText() };
}

/** Where the pointer stands right after going somewhere. */
export async function pointer({ page, job }) {
  const seen = {};
  for (const name of ["rr-editor", "gc-multitab", "gc-shop"]) {
    for (const seconds of [3, 10, 40]) {
      await open(page, job.sessions[name], `&t=${seconds}`);
      await pause(page);
      await drawn(page);
      seen[`${name} ${seconds}`] = await stageOf(page).evaluate(() => {
        const mouse = document.querySelector(".replayer-mouse");
        return { isShown: getComputedStyle(mouse).visibility === "visible", left: Number.parseFloat(mouse.style.left), top: Number.parseFloat(mouse.style.top) };
      });
    }
  }
  return seen;
}

/** Jumping: a second before while it plays, the exact moment while it stands. */
export async function aSecondBefore({ page, job }) {
  await open(page, job.sessions["gc-shop"]);
  await page.waitForFunction(() => document.querySelector(".player").classList.contains("is-playing"));
  const event = page.locator(".event", { hasText: "Pay now" }).first();
  const wanted = await event.locator(".event-time").innerText();
  await page.evaluate(() => {
    const slider = document.querySelector(".scrubber");
    window.positions = [];
    new MutationObserver(() => window.positions.push(slider.querySelector(".scrub-knob").style.left)).observe(slider, { subtree: true, attributes: true, attributeFilter: ["style"] });
  });
  await event.locator(".event-main").click();
  const marked = await page.waitForFunction(() => document.querySelector(".event[aria-current] .event-title")?.textContent === "Pay now").then(() => true);
  const percent = await page.evaluate(() => window.positions.map(Number.parseFloat).find((left, place, all) => place > 0 && left > all[place - 1] + 10));
  const length = Number(await page.locator(".scrubber").getAttribute("aria-valuemax"));
  await pause(page);
  await event.locator(".event-main").click();
  await page.waitForFunction((time) => document.querySelector(".clock").textContent.startsWith(time), wanted);
  const exact = await clock(page);
  const place = () => page.locator(".event[aria-current]").evaluate((item) => [...item.parentElement.children].indexOf(item));
  const before = await place();
  await page.keyboard.press("j");
  await page.waitForFunction((was) => [...document.querySelector(".events").children].findIndex((item) => item.hasAttribute("aria-current")) > was, before);
  return { wanted, began: (percent / 100) * length, marked, exact, steps: (await place()) - before };
}

export async function speeds({ page, job }) {
  await open(page, job.sessions["gc-shop"]);
  await page.waitForFunction(() => document.querySelector(".player").classList.contains("is-playing"));
  const seen = {};
  for (const name of ["0.5×", "8×"]) {
    await page.getByRole("button", { name, exact: true }).click();
    const measured = await page.evaluate(async () => {
      const { stage } = document.querySelector("iframe.stage").contentWindow;
      const [from, began] = [stage.time(), performance.now()];
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return (stage.time() - from) / (performance.now() - began);
    });
    seen[name] = measured;
  }
  return seen;
}

/** Address and size of the page; the list of a session of four hours; equal errors; before the stage is there. */
export async function surroundings({ page, job }) {
  await page.setViewportSize(SMALL);
  await page.route("**/page/stage.html", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 700));
    await route.continue();
  });
  await page.goto(sessionUrl(job.sessions["gc-shop"], "&t=20"));
  await page.locator(".player").waitFor();
  const loading = { veil: await page.locator(".stage-veil").innerText(), icon: await page.locator(".controls .round svg").count(), tabs: await page.getByLabel("Tab of the session").isVisible() };
  await ready(page);
  const address = await page.locator(".place-address bdi").innerText();
  const link = await page.locator(".place-address a").getAttribute("href");
  const size = await page.locator(".place-size").innerText();
  const errors = await page.locator(".event.error").evaluateAll((all) => all.map((one) => one.innerText.replace(/\s+/g, " ")));
  await page.unroute("**/page/stage.html");
  await open(page, job.sessions["gc-cap4h"]);
  const overlaps = await page.locator(".event-main").evaluateAll((all) => all.filter((one) => {
    const time = document.createRange();
    time.selectNodeContents(one.querySelector(".event-time"));
    return time.getBoundingClientRect().right > one.querySelector(".event-icon").getBoundingClientRect().left;
  }).length);
  return { loading, address, link, size, errors, overlaps, long: await page.locator(".event-time", { hasText: /^\d:\d\d:\d\d$/ }).count() };
}

/** Console and network beside the picture, in time with it. */
export async function beside({ page, job }) {
  await open(page, job.sessions["ph-shop"], "&t=30", { width: 1440, height: 860 });
  await pause(page);
  await page.keyboard.press("d");
  const rows = async (name) => page.locator(`#side-${name} .side-row`).count();
  const marked = async (name) => page.locator(`#side-${name} .side-row[aria-current] .event-time`).innerText();
  const console = { rows: await rows("console"), marked: await marked("console"), now: await clock(page) };
  console.groups = await page.locator("#side-console .toggle").allInnerTexts();
  await page.locator("#side-console .toggle", { hasText: "Errors" }).click();
  console.withoutErrors = await rows("console");
  await page.locator("#side-console .toggle", { hasText: "Errors" }).click();
  await page.getByLabel("Filter console by text").fill("payment failed");
  console.found = await page.locator("#side-console .side-row").allInnerTexts();
  await page.keyboard.press("Escape");
  await page.locator("#side-tab-network").click();
  await page.screenshot({ path: `${job.folder}/network.png` });
  const network = { rows: await rows("network"), marked: await marked("network") };
  await page.locator("#side-network .toggle", { hasText: "Failed only" }).click();
  network.failed = await page.locator("#side-network .side-status").allInnerTexts();
  await page.locator("#side-network .toggle", { hasText: "Failed only" }).click();
  await page.getByLabel("Filter network by text").fill("/api/pay");
  network.found = await page.locator("#side-network .side-row").allInnerTexts();
  const first = page.locator("#side-network .side-row").first();
  const wanted = await first.locator(".event-time").innerText();
  await first.locator(".side-main").click();
  await page.waitForFunction(() => document.querySelector(".player").classList.contains("is-playing"));
  network.jumped = [wanted, await clock(page)];
  await pause(page);
  await page.getByLabel("Filter network by text").fill("");
  const before = await marked("network");
  await page.locator(".scrubber").focus();
  await page.keyboard.press("End");
  await page.waitForFunction((was) => document.querySelector("#side-network .side-row[aria-current] .event-time")?.textContent !== was, before);
  network.later = await page.locator("#side-network .side-row.is-later").count();
  await page.reload();
  await ready(page);
  return { console, network, isKept: await page.locator("#side-network").isVisible() };
}

/** Details of an entry without leaving the player, by mouse and by keys. */
export async function detailsBeside({ page, job }) {
  await open(page, job.sessions["gc-shop"], "&t=20", { width: 1440, height: 860 });
  await page.waitForFunction(() => document.querySelector(".player").classList.contains("is-playing"));
  const group = page.locator(".event.error", { hasText: "times" }).first();
  await group.locator(".event-more").click();
  const still = await isPlaying(page);
  const title = await page.locator(".side-details > h2").innerText();
  const stack = await page.locator(".side-details .stack").first().innerText();
  const times = await page.locator(".side-times button").count();
  await page.screenshot({ path: `${job.folder}/player-details.png` });
  await page.locator(".side-times button").last().click();
  await pause(page);
  await page.locator(".side-details").focus();
  await page.keyboard.press("Escape");
  const isClosed = await page.locator(".side").isHidden();
  const focus = await page.evaluate(() => document.activeElement.className);
  await page.keyboard.press("j");
  await page.keyboard.press("i");
  const byKey = await page.locator(".side-details > h2").innerText();
  const markedTitle = () => page.locator(".event[aria-current] .event-title").innerText();
  for (let looks = 0; looks < 50 && (await markedTitle()) !== byKey.trim(); looks += 1) await page.waitForTimeout(100); // it is marked with the next picture
  const marked = await markedTitle();
  return { still, title, stack, times, isClosed, focus, byKey, marked, url: page.url() };
}

/** The moment as a picture and as a page by itself; the page is opened and runs and loads nothing. */
export async function moments({ page, job, complaints }) {
  await open(page, job.sessions["gc-shop"], "&t=40");
  await pause(page);
  const take = async (name, as) => {
    await page.keyboard.press("m");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name }).click()]);
    await download.saveAs(`${job.folder}/${as}`);
    return download.suggestedFilename();
  };
  const names = [await take("Picture", "moment.png"), await take("Page with", "moment.html")];
  const png = await readFile(`${job.folder}/moment.png`);
  const html = await readFile(`${job.folder}/moment.html`, "utf8");
  const ours = [...complaints];
  await page.goto(`data:text/html;base64,${Buffer.from(html).toString("base64")}`);
  const frame = page.frames().find((one) => one.parentFrame() === page.mainFrame());
  const colours = await page.evaluate(async (data) => {
    const image = new Image();
    image.src = data;
    await image.decode();
    const context = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height }).getContext("2d");
    context.drawImage(image, 0, 0);
    return new Set(new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer)).size;
  }, `data:image/png;base64,${png.toString("base64")}`);
  return {
    names, colours, size: [png.readUInt32BE(16), png.readUInt32BE(20)], bytes: png.length, ours,
    facts: await page.locator("dl").innerText(), table: await page.locator("tbody tr").count(), failed: await page.locator("tr.bad").count(),
    sandbox: await page.locator("iframe").getAttribute("sandbox"), recorded: await frame.locator("body").innerText(),
    scripts: (html.match(/<script|&lt;script/gi) ?? []).length,
  };
}

/** The same of a recording that attacks. */
export async function hostileMoment({ page, job }) {
  await open(page, job.sessions.hostile, "&t=5");
  await pause(page);
  const { html, svg } = await stageOf(page).evaluate(() => window.stage.still());
  await page.keyboard.press("m");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: "Page with" }).click()]);
  await download.saveAs(`${job.folder}/hostile.html`);
  await page.goto(`data:text/html;base64,${(await readFile(`${job.folder}/hostile.html`)).toString("base64")}`);
  await page.waitForTimeout(500);
  const flags = await Promise.all(page.frames().map((frame) => frame.evaluate(() => window.pwned ?? null).catch(() => null)));
  return { flags, addresses: [html, svg].flatMap((text) => text.match(new RegExp(job.evil, "g")) ?? []), handlers: (html.match(/\son\w+=/gi) ?? []).length, text: await page.frames()[1].locator("body").innerText() };
}

/** Nothing is in the way of assistive technology, light and dark, wide and narrow. */
async function accessible({ page, job }, scheme) {
  const found = {};
  const overflow = {};
  await page.emulateMedia({ colorScheme: scheme });
  for (const width of [1440, 1024, 400]) {
    const name = (what) => `${what} ${scheme} ${width}`;
    const check = async (what) => {
      found[name(what)] = await violations(page);
      overflow[name(what)] = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    };
    await open(page, job.sessions["gc-multitab"], "&t=20", { width, height: width === 400 ? 820 : 800 });
    await pause(page);
    await check("player");
    await page.screenshot({ path: `${job.folder}/player-${scheme}-${width}.png` });
    for (const side of ["console", "network"]) {
      if (await page.locator(".side").isHidden()) await page.keyboard.press("d");
      await page.locator(`#side-tab-${side}`).click();
      await check(side);
    }
    await page.locator("#side-network .event-more").first().click();
    await check("details");
    await page.screenshot({ path: `${job.folder}/side-${scheme}-${width}.png` });
    await page.locator(".missing-button").click();
    await check("missing");
    await page.keyboard.press("Escape");
    await page.keyboard.press("m");
    await page.getByRole("menuitem").first().waitFor();
    await check("save");
    await page.keyboard.press("Escape");
    await page.locator(".side").getByRole("button", { name: "Close" }).click();
  }
  return { found, overflow };
}

export const accessibleLight = (given) => accessible(given, "light");
export const accessibleDark = (given) => accessible(given, "dark");
