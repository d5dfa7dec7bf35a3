// What is done in the player.
import { copyFile } from "node:fs/promises";
import { at, having } from "./pictures.mjs";

const sessionUrl = ({ app, id }, more = "") => `/?app=${encodeURIComponent(app)}&session=${encodeURIComponent(id)}&tab=replay${more}`;
const stageOf = (page) => page.frames().find((frame) => frame.url().endsWith("/page/stage.html"));
const length = (page) => page.locator(".scrubber").getAttribute("aria-valuemax").then(Number);
const shown = (page) => stageOf(page).evaluate(() => document.querySelector("iframe").contentDocument?.body?.innerText ?? "");
const until = (page, seconds) => page.waitForFunction((wanted) => Number(document.querySelector(".scrubber")?.getAttribute("aria-valuenow")) >= wanted, seconds, { timeout: 180_000 });
const playing = (page) => page.waitForFunction(() => document.querySelector(".player")?.classList.contains("is-playing") && document.querySelector(".stage-veil")?.hidden);

const SMALL = { width: 960, height: 600 }; // playing costs by the pixel

async function open(page, session, more, size = SMALL) {
  await page.setViewportSize(size);
  await page.goto(sessionUrl(session, more));
  await page.waitForFunction(() => document.querySelector(".clock")?.textContent && document.querySelector(".stage-veil").hidden);
}

export async function plays({ page, job }) {
  const session = job.sessions["gc-shop"];
  await open(page, session, "", { width: 1440, height: 860 });
  await playing(page);
  await until(page, 2);
  const first = await having(page, shown, "Hillside Outdoor");
  const sandbox = await stageOf(page).evaluate(() => document.querySelector("iframe").getAttribute("sandbox"));
  await page.getByRole("button", { name: "4×" }).click();
  const [from, began] = [await at(page), Date.now()];
  await until(page, from + 8);
  const eight_seconds_took_ms = Date.now() - began;
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.locator(".event.error button").first().click();
  const cart = page.locator(".event.view button", { hasText: "/shop/cart.html" });
  await cart.click();
  await page.waitForFunction(() => document.querySelector("[aria-current] .event-title")?.textContent === "/shop/cart.html");
  await page.keyboard.press("j");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  const marks = { errors: await page.locator(".mark-error").count(), rage: await page.locator(".mark-rage").count(), views: await page.locator(".mark-view").count() };
  await page.mouse.move(400, 300);
  await page.screenshot({ path: `${job.folder}/player.png` });
  await page.keyboard.press("l");
  const isListHidden = await page.locator(".event-list").isHidden();
  await page.keyboard.press("l");
  await page.keyboard.press("c");
  const link = new URL(await page.locator(".panel input").inputValue());
  await page.keyboard.press("Escape");
  await page.keyboard.press("f");
  const isFull = await page.waitForFunction(() => document.fullscreenElement?.className.includes("player")).then(() => true);
  await page.keyboard.press("f");
  await page.waitForFunction((wanted) => Math.abs(Number(new URLSearchParams(location.search).get("t")) - wanted) <= 1, Number(link.searchParams.get("t")));
  const moved = await at(page);
  await page.reload();
  await page.waitForFunction(() => document.querySelector(".clock")?.textContent);
  await playing(page);
  const again = await at(page);
  return { first, sandbox, eight_seconds_took_ms, moved, again, marks, isListHidden, isFull, link: Object.fromEntries(link.searchParams) };
}

export async function families({ page, job }) {
  const seen = {};
  for (const [name, { texts, at: share }] of Object.entries(job.families)) {
    await open(page, job.sessions[name]);
    await playing(page);
    const wanted = Math.floor((await length(page)) * share);
    await page.locator(".scrubber").focus();
    const box = await page.locator(".scrubber").boundingBox();
    await page.mouse.click(box.x + box.width * share, box.y + 13);
    await until(page, wanted - 1);
    const missing = async () => {
      const text = await shown(page);
      const shadow = await stageOf(page).evaluate(() => [...document.querySelector("iframe").contentDocument.querySelectorAll("*")].map((one) => one.shadowRoot?.textContent ?? "").join(" "));
      return texts.filter((one) => !`${text} ${shadow}`.includes(one));
    };
    for (let looks = 0; looks < 50 && (await missing()).length; looks += 1) await page.waitForTimeout(100); // the picture comes after its time
    seen[name] = { missing: await missing(), note: await page.locator(".stage-note").innerText() };
    await page.screenshot({ path: `${job.folder}/family-${name}.png` });
  }
  return seen;
}

export async function canvases({ page, job }) {
  await open(page, job.sessions["se-kitchen-session"]);
  await playing(page);
  const canvas = () => stageOf(page).evaluate(() => [...document.querySelector("iframe").contentDocument.querySelectorAll("canvas")].map((one) => [getComputedStyle(one).backgroundImage, one.offsetWidth, one.offsetHeight]));
  const seen = [];
  for (let number = 0; number < 40; number++) {
    seen.push(await canvas());
    await page.waitForTimeout(100);
  }
  await page.screenshot({ path: `${job.folder}/canvases.png` });
  const box = await page.locator(".scrubber").boundingBox();
  const drawn = async () => {
    for (let looks = 0; looks < 100; looks += 1) {
      const found = await canvas();
      if (found.some(([image]) => image.startsWith('url("data:image/webp'))) return found;
      await page.waitForTimeout(100);
    }
    return canvas();
  };
  await page.mouse.click(box.x + box.width * 0.95, box.y + 13);
  await page.waitForFunction((wanted) => Number(document.querySelector(".scrubber").getAttribute("aria-valuenow")) > wanted, (await length(page)) * 0.9);
  const late = await drawn();
  await page.mouse.click(box.x + 1, box.y + 13);
  await page.waitForFunction((wanted) => Number(document.querySelector(".scrubber").getAttribute("aria-valuenow")) < wanted, (await length(page)) * 0.5);
  return { sizes: seen.at(-1).map(([, width, height]) => [width, height]), pictures: new Set(seen.flat().map(([image]) => image)).size, late, early: await drawn(), note: await page.locator(".stage-note").innerText() };
}

export async function tabs({ page, job }) {
  await open(page, job.sessions["gc-multitab"]);
  await playing(page);
  await page.keyboard.press("t"); // stay in one
  const choice = page.getByLabel("Tab of the session");
  await choice.selectOption({ index: 0 });
  const names = await choice.locator("option").allInnerTexts();
  await until(page, 1);
  const first = await shown(page);
  await choice.selectOption({ index: 1 });
  await playing(page);
  const second = await shown(page);
  await page.waitForFunction(() => new URLSearchParams(location.search).get("track") === "1");
  return { names, first, second };
}

/** Recordings that go on after the session's end are shown to it, unless one wants more. */
async function withTail(page) {
  if (await page.locator(".missing-button").isHidden()) return;
  await page.locator(".missing-button").click();
  await page.getByRole("button", { name: "Show what came after the end" }).click();
}

/** From the beginning to the end at 1×, with the skip that is on unless somebody turns it off. */
export async function skips({ page, job }) {
  const seen = {};
  for (const name of job.idle) {
    await open(page, job.sessions[name]);
    await withTail(page);
    const began = Date.now();
    const total = await length(page);
    const isOn = await page.locator("#skip").isChecked();
    const note = page.locator(".stage-note", { hasText: "Skipped" });
    await note.waitFor({ timeout: 180_000 });
    const said = await note.innerText();
    const shading = await page.locator(".mark-idle").count();
    if (name === job.idle.at(-1)) await page.screenshot({ path: `${job.folder}/skipped.png` });
    await page.waitForFunction(() => {
      const slider = document.querySelector(".scrubber");
      return !document.querySelector(".player").classList.contains("is-playing") && Number(slider.getAttribute("aria-valuenow")) >= Number(slider.getAttribute("aria-valuemax"));
    }, null, { timeout: 300_000 });
    seen[name] = { total_s: total, took_s: (Date.now() - began) / 1000, isOn, said, shading };
  }
  return seen;
}

export async function doesNotSkip({ page, job }) {
  const name = job.idle[0];
  await open(page, job.sessions[name]);
  await withTail(page);
  await page.locator("label.switch", { hasText: "Skip" }).click();
  await page.waitForFunction(() => document.querySelector(".mark-idle"));
  const share = await page.locator(".mark-idle").first().evaluate((mark) => Number.parseFloat(mark.style.left));
  const idle = ((await length(page)) * share) / 100;
  await page.reload();
  await page.waitForFunction(() => document.querySelector(".clock")?.textContent);
  await playing(page);
  await withTail(page);
  const isOn = await page.locator("#skip").isChecked();
  await until(page, idle + 2);
  const position = await at(page);
  await page.locator("label.switch", { hasText: "Skip" }).click();
  await page.locator(".stage-note", { hasText: "Skipped" }).waitFor();
  await until(page, position + 60); // a page that had not jumped would be minutes from there
  return { isOn, idle, position, after: await at(page) };
}

/** A replay cut into chunks at its full snapshots, as a long one is. */
async function inChunks(page, session, visible = () => Infinity, live = () => false) {
  const asked = [];
  const base = `/api/v1/apps/${encodeURIComponent(session.app)}/sessions/${encodeURIComponent(session.id)}/replay`;
  const answer = await (await page.request.get(base)).json();
  const events = await (await page.request.get(`${base}/events?track=0&chunk=0`)).json();
  const chunks = [];
  for (const [place, event] of events.entries()) {
    const begins = event.type === 4 && events.slice(place, place + 4).some((one) => one.type === 2);
    if (begins || !chunks.length) chunks.push([]);
    chunks.at(-1).push(event);
  }
  const described = chunks.map((one, chunk) => ({ chunk, start_ms: one[0].timestamp, end_ms: one.at(-1).timestamp, raw_bytes: JSON.stringify(one).length }));
  await page.route((url) => url.pathname.endsWith("/replay"), (route) => {
    const some = described.slice(0, visible());
    route.fulfill({ json: { live: live(), notes: [], missing: [], tracks: [{ ...answer.tracks[0], start_ms: some[0].start_ms, end_ms: some.at(-1).end_ms, chunks: some }] } });
  });
  await page.route((url) => url.pathname.endsWith("/replay/events"), (route) => {
    const chunk = Number(new URL(route.request().url()).searchParams.get("chunk"));
    asked.push(chunk);
    route.fulfill({ json: { events: chunks[chunk], notes: [] } });
  });
  return { asked, described };
}

export async function chunks({ page, job }) {
  const session = job.sessions["gc-shop"];
  const { asked, described } = await inChunks(page, session);
  const start = described[0].start_ms;
  const last = described.length - 2;
  const wanted = Math.ceil((described[last].start_ms - start) / 1000) + 1;
  await open(page, session, `&t=${wanted}`);
  const firstAsked = asked[0];
  await playing(page);
  const late = await having(page, shown, "Your cart");
  const before = asked.length;
  await page.locator(".event.view button").first().click();
  await page.waitForFunction(() => Number(document.querySelector(".scrubber").getAttribute("aria-valuenow")) < 3);
  await playing(page);
  const early = await having(page, shown, "New this week");
  const soughtAsked = asked.slice(before)[0];
  await page.getByRole("button", { name: "4×" }).click();
  await until(page, Math.ceil((described[2].start_ms - start) / 1000) + 1);
  return { chunks: described.length, last, firstAsked, soughtAsked, asked, late, early, later: await shown(page), note: await page.locator(".stage-note").innerText() };
}

export async function followsLive({ page, job }) {
  const session = job.sessions["gc-shop"];
  let visible = 2;
  let isLive = true;
  await inChunks(page, session, () => visible, () => isLive);
  await open(page, session);
  const button = page.getByRole("button", { name: "Live" });
  await button.waitFor();
  const before = await length(page);
  await button.click();
  await page.locator(".stage-note", { hasText: "Waiting for the visitor" }).waitFor();
  visible = 4;
  await page.waitForFunction((was) => Number(document.querySelector(".scrubber").getAttribute("aria-valuemax")) > was, before);
  const grown = await length(page);
  await until(page, before + 1);
  isLive = false;
  await button.waitFor({ state: "hidden" });
  return { before, grown, note: await page.locator(".stage-note").innerText() };
}

/** The same with a session in packs: what a job has written of a visit so far, and then its next pack. */
export async function openSession({ page, job }) {
  await page.setViewportSize(SMALL);
  await page.goto("/");
  await page.getByRole("button", { name: "Live now" }).click();
  await page.screenshot({ path: `${job.folder}/live-now.png` });
  await page.locator(".live-list a").click();
  await playing(page);
  const address = new URL(page.url()).searchParams.get("session");
  const badge = await page.locator(".badge.live").innerText();
  const before = { length: await length(page), events: await page.locator(".event").count() };
  await page.getByRole("button", { name: "Live" }).click();
  await page.screenshot({ path: `${job.folder}/live.png` });
  await copyFile(job.open.pack, job.open.target);
  await page.waitForFunction((was) => Number(document.querySelector(".scrubber").getAttribute("aria-valuemax")) > was, before.length);
  await page.waitForFunction((was) => document.querySelectorAll(".event").length > was, before.events);
  await page.keyboard.press("4");
  const reason = await page.locator(".properties-panel .property", { hasText: "close reason" }).count();
  return { address, badge, before, grown: await length(page), reason };
}
