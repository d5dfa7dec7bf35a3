// What is done in the explorers of what happened: lists, entries beside them, filters, groups of errors, the overview, habits.
import { readFile } from "node:fs/promises";
import { violations } from "./axe.mjs";

const LISTS = ["sessions", "views", "actions", "errors", "resources", "long_tasks", "console"];
const idle = (page) => page.waitForFunction(() => document.querySelector(".sessions tbody tr, .empty:not([hidden])") && document.querySelector(".table-scroll")?.hasAttribute("aria-busy") === false);
const total = async (page) => Number((await page.locator(".total").innerText()).replaceAll(",", "").match(/\d+/)[0]);
const heads = (page) => page.locator(".sessions thead .sort").allInnerTexts();
const tab = (page, name) => page.locator(".kinds a", { hasText: name });
const chips = (page) => page.locator(".chip").allInnerTexts();

async function open(page, address) {
  await page.goto(address);
  await idle(page);
}

/** Do something that changes the address, and wait for the list. */
async function after(page, act) {
  const before = page.url();
  await act();
  await page.waitForFunction((url) => location.href !== url, before);
  await idle(page);
}

async function menu(page, cell, item) {
  await cell.hover();
  await cell.locator(".cell-menu").click();
  await page.getByRole("menuitem", { name: item }).click();
}

/** Every list by its tab; only what the view needs is loaded. */
export async function lists({ page }) {
  await open(page, "/?range=all");
  const loaded = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name.split("/").at(-1)));
  const found = {};
  for (const name of ["Views", "Actions", "Errors", "Resources", "Long tasks", "Console", "Sessions"]) {
    await after(page, () => tab(page, name).click());
    await page.locator(".chart .bar, .empty:not([hidden])").first().waitFor();
    found[name] = {
      url: page.url(),
      total: await total(page),
      rows: await page.locator(".sessions tbody tr").count(),
      heads: (await heads(page)).map((head) => head.replace(/[↓↑]/, "").trim()),
      facets: await page.locator(".facets summary").allInnerTexts(),
      current: await page.locator(".kinds [aria-current]").innerText(),
      bars: await page.locator(".chart .bar").count(),
      title: await page.title(),
    };
  }
  const counted = {};
  for (const table of LISTS) counted[table] = (await (await page.request.get(`/api/v1/${table}?limit=1`)).json()).total;
  return { found, counted, loaded };
}

/** Filter, exclude, column, copy on values of a list of lines; sort; pages; chart. */
export async function linesFilter({ page }) {
  await open(page, "/?table=errors&range=all");
  const all = await total(page);
  const cell = page.locator("td", { hasText: "payment failed" }).first();
  await after(page, () => menu(page, cell, "Filter by this value"));
  const one = await total(page);
  const url = page.url();
  await after(page, () => page.goBack());
  await after(page, () => menu(page, cell, "Exclude this value"));
  const others = await total(page);
  await after(page, () => page.goBack());
  await menu(page, cell, "Copy");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  await after(page, () => tab(page, "Resources").click());
  await after(page, () => page.locator("thead").getByRole("button", { name: "Duration" }).click());
  const sorted = await page.locator(".sessions tbody tr").evaluateAll((rows) => rows.slice(0, 3).map((row) => row.cells[6].innerText.trim()));
  await after(page, () => menu(page, page.locator("tbody tr").first().locator("td").nth(6), "Less than"));
  const less = await total(page);
  await after(page, () => page.locator(".chip button").first().click());
  const pages = [];
  await open(page, "/?table=actions&range=all&limit=100");
  for (;;) {
    pages.push(await page.locator(".sessions tbody tr").count());
    if (!(await page.getByRole("button", { name: "Older" }).isEnabled())) break;
    await after(page, () => page.getByRole("button", { name: "Older" }).click());
  }
  return { all, one, others, url, copied, sorted, less, pages, actions: await total(page) };
}

/** A line opens beside the list, with its source; a view with how it loaded. */
export async function entry({ page, job }) {
  await open(page, "/?table=errors&range=all&is=error_message:payment%20failed&app=appid_a1b2c3d4e5f6");
  await page.locator("tbody tr td", { hasText: "payment failed" }).first().click();
  const panel = page.locator(".entry-panel");
  await panel.locator(".source").waitFor();
  const seen = { url: page.url(), title: await panel.locator(".entry-head h2").innerText(), source: await panel.locator(".source .button").allInnerTexts(), stack: await panel.locator(".stack").first().textContent(), fields: await panel.locator(".property dt").count() };
  await page.screenshot({ path: `${job.folder}/entry.png` });
  await page.reload();
  await panel.locator(".source").waitFor();
  seen.again = await panel.locator(".entry-head h2").innerText();
  await panel.getByRole("button", { name: "Copy session ID" }).click();
  seen.copied = await page.evaluate(() => navigator.clipboard.readText());
  const type = panel.locator(".property", { hasText: "Error type" }).first();
  await type.hover();
  await type.locator(".cell-menu").click();
  seen.items = await page.getByRole("menuitem").allInnerTexts();
  await after(page, () => page.getByRole("menuitem", { name: "Sessions with this" }).click());
  seen.sessionsWith = { url: page.url(), total: await total(page), chips: await chips(page) };
  await after(page, () => page.goBack());
  await after(page, () => panel.getByRole("button", { name: "Filter this session" }).click());
  seen.filtered = { url: page.url(), total: await total(page) };
  await page.goBack();
  await panel.locator(".source").waitFor();
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
  seen.closed = page.url();
  await page.locator("tbody tr td", { hasText: "payment failed" }).first().click();
  const steps = await page.evaluate(() => history.length);
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname.split("/").at(-1)));
  await panel.getByRole("link", { name: "Play at that moment" }).click();
  await page.waitForFunction(() => Number(document.querySelector(".scrubber")?.getAttribute("aria-valuenow")) > 0);
  seen.timelines = asked.filter((path) => path === "timeline").length;
  seen.steps = (await page.evaluate(() => history.length)) - steps;
  seen.played = { at: Number(await page.locator(".scrubber").getAttribute("aria-valuenow")), marked: await page.locator(".event[aria-current]").innerText() };
  await page.keyboard.press("u");
  await panel.locator(".source").waitFor();
  seen.back = page.url();
  await panel.getByRole("link", { name: "Session details" }).click();
  await page.locator(".timeline .entry-body").waitFor();
  seen.details = { open: await page.locator(".timeline .entry", { has: page.locator(".entry-body") }).locator(".event-title").allInnerTexts(), isSeen: await page.locator('.entry-main[aria-expanded="true"]').evaluate((one) => one.getBoundingClientRect().top < innerHeight && one === document.activeElement) };
  await open(page, "/?table=views&range=all&is=view_path:/shop/cart.html&app=appid_a1b2c3d4e5f6");
  await page.locator("tbody tr").last().locator("td").nth(2).click();
  await panel.locator(".waterfall").waitFor();
  seen.view = { vitals: await panel.locator(".vital-name").allInnerTexts(), toggles: await panel.locator(".waterfall .toggle").allInnerTexts(), falls: await panel.locator(".falls li").count(), parts: await panel.locator(".lines summary").allInnerTexts() };
  await panel.locator(".waterfall .toggle", { hasText: "Fetch/XHR" }).click();
  seen.view.xhr = await panel.locator(".falls li").count();
  await page.screenshot({ path: `${job.folder}/view-entry.png` });
  const request = panel.locator("a.fall-name").first();
  seen.view.request = await request.innerText();
  await after(page, () => request.click());
  await panel.locator(".source").waitFor();
  seen.view.there = { title: await panel.locator(".entry-head h2").innerText(), url: page.url(), total: await total(page) };
  return seen;
}

/** All of it by keyboard. */
export async function entryKeys({ page }) {
  await open(page, "/?table=actions&range=all");
  for (const key of ["j", "j", "Enter"]) await page.keyboard.press(key);
  const panel = page.locator(".entry-panel");
  await panel.locator(".source").waitFor();
  const first = await panel.locator("h2 + *, .hint").first().innerText();
  const isIn = await page.evaluate(() => document.querySelector(".entry-panel").contains(document.activeElement));
  const url = page.url();
  await page.keyboard.press("j");
  await page.waitForFunction((before) => location.href !== before, url);
  await page.waitForFunction((before) => document.querySelector(".entry-content > .hint")?.innerText !== before, first);
  const row = await page.locator("tr.current").evaluate((one) => [...one.parentElement.children].indexOf(one));
  await page.keyboard.press("Tab");
  await page.locator(".entry-head h2").focus();
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
  const isBack = await page.evaluate(() => document.activeElement.matches("tr.current"));
  await after(page, () => page.keyboard.press("4"));
  const errors = page.url();
  await page.keyboard.press("f");
  await page.getByRole("dialog", { name: "Filter" }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  const help = await page.locator("dialog dt").count();
  return { isIn, row, isBack, errors, help };
}

/** The builder: what happened, numbers, between; chips say it. */
export async function builder({ page, job }) {
  await open(page, "/?range=all");
  const all = await total(page);
  const say = async ({ what = "", field, way = null, value, upper = null }) => {
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Filter" });
    await dialog.getByLabel("What").selectOption(what);
    await dialog.getByLabel("Field").selectOption(field);
    if (way) await dialog.getByLabel("Comparison").selectOption(way);
    await dialog.getByLabel("Value", { exact: true }).fill(value);
    if (upper) await dialog.getByLabel("Upper value").fill(upper);
    await after(page, () => dialog.getByRole("button", { name: "Add filter" }).click());
    return total(page);
  };
  const seen = { all };
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Filter" });
  await dialog.getByLabel("What").selectOption("errors");
  await dialog.locator(".suggested .button", { hasText: "TypeError" }).waitFor();
  seen.suggested = await dialog.locator(".suggested .button").allInnerTexts();
  await page.screenshot({ path: `${job.folder}/builder.png` });
  await after(page, () => dialog.locator(".suggested .button", { hasText: "TypeError" }).click());
  seen.has = await total(page);
  seen.both = await say({ what: "views", field: "view_path", value: "/shop/cart.html" });
  seen.never = await say({ what: "actions", field: "action_type", way: "never is", value: "click" });
  seen.chips = await chips(page);
  seen.url = page.url();
  await open(page, "/?range=all");
  await page.getByRole("searchbox").fill("typeerror");
  await after(page, () => page.getByRole("searchbox").press("Enter"));
  seen.searched = await total(page);
  await open(page, "/?range=all");
  seen.slow = await say({ what: "resources", field: "duration", way: "gt", value: "1 s" });
  await open(page, "/?range=all");
  seen.longer = await say({ field: "time_spent", way: "gt", value: "1 min" });
  await open(page, "/?range=all");
  seen.shorter = await say({ field: "time_spent", way: "lt", value: "1 min" });
  await open(page, "/?range=all");
  seen.between = await say({ field: "time_spent", way: "between", value: "30 s", upper: "1.5 min" });
  seen.betweenUrl = page.url();
  seen.betweenChips = await chips(page);
  await open(page, "/?range=all");
  seen.cls = await say({ field: "cls_worst", way: "gt", value: "0.1" });
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await dialog.getByLabel("Field").selectOption("time_spent");
  await dialog.getByLabel("Value", { exact: true }).fill("many");
  await dialog.getByRole("button", { name: "Add filter" }).click();
  seen.problem = await dialog.getByRole("alert").innerText();
  const api = async (query) => (await (await page.request.get(`/api/v1/sessions?limit=1&${query}`)).json()).total;
  seen.api = { searched: await api("q=TypeError"), has: await api("has=errors.error_type:TypeError"), both: await api("has=errors.error_type:TypeError&has=views.view_path:/shop/cart.html"), slow: await api("has=resources.duration>1e9"), between: await api("between=time_spent:30000000000,90000000000") };
  return seen;
}

/** Several values of a facet are alternatives, and the others stay in sight. */
export async function alternatives({ page }) {
  await open(page, "/?table=errors&range=all");
  const group = page.locator(".facets details", { has: page.locator("summary", { hasText: /^Type$/ }) });
  const number = async (name) => Number(await group.locator(".facet", { hasText: name }).locator(".facet-count").innerText());
  await group.locator(".facet").first().waitFor();
  const each = { TypeError: await number("TypeError"), RangeError: await number("RangeError") };
  await after(page, () => group.locator(".facet", { hasText: "TypeError" }).click());
  const one = await total(page);
  await page.waitForFunction(() => document.querySelector('.facet[aria-pressed="true"]'));
  const left = await group.locator(".facet").count();
  await after(page, () => group.locator(".facet", { hasText: "RangeError" }).click());
  const two = await total(page);
  await after(page, () => tab(page, "Sessions").click());
  const told = await page.locator("#announcer").innerText();
  return { each, one, left, two, told };
}

/** Beside the sessions: what happened in them, counted when somebody looks; wanted and excluded. */
export async function happened({ page }) {
  await open(page, "/?range=all");
  const all = await total(page);
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const group = page.locator('.facets details[data-column="errors.error_type"]');
  await group.locator("summary").click();
  const facet = group.locator(".facet", { hasText: "TypeError" });
  await facet.waitFor();
  const counted = asked.filter((path) => path.endsWith("/facets"));
  const lines = await facet.getAttribute("title");
  await after(page, () => facet.click());
  const having = await total(page);
  const found = { all, counted, lines, having, url: page.url(), chips: await chips(page) };
  await page.locator('.facet[aria-pressed="true"]').waitFor();
  await after(page, () => facet.click());
  found.again = await total(page);
  await facet.waitFor();
  await facet.hover();
  await after(page, () => group.getByRole("button", { name: "Never Type of an error TypeError" }).click());
  return { ...found, without: await total(page), never: await chips(page) };
}

/** Groups of errors lead to their errors, sessions and into a replay. */
export async function groups({ page, job }) {
  await open(page, "/?table=errors&range=all");
  await after(page, () => page.getByRole("button", { name: "Groups", exact: true }).click());
  await page.locator(".groups tbody tr").first().waitFor();
  const row = page.locator(".groups tbody tr", { hasText: "payment failed" }).filter({ hasText: "appid_" });
  const cells = await row.locator("td").allInnerTexts();
  const seen = { url: page.url(), total: await total(page), rows: await page.locator(".groups tbody tr").count(), cells, sparklines: await page.locator(".sparkline").count(), releases: await row.locator(".share").allInnerTexts() };
  await page.screenshot({ path: `${job.folder}/groups.png` });
  await after(page, () => page.locator(".groups thead").getByRole("button", { name: "Last seen" }).click());
  await page.locator(".groups tbody tr").first().waitFor();
  seen.sorted = page.url();
  await after(page, () => row.locator(".sessions-of").click());
  seen.sessions = { total: await total(page), chips: await chips(page) };
  await page.goBack();
  await row.waitFor();
  await after(page, () => row.locator(".errors-of").click());
  seen.errors = await total(page);
  await page.goBack();
  await row.waitFor();
  await row.locator(".play-button").click();
  await page.waitForFunction(() => Number(document.querySelector(".scrubber")?.getAttribute("aria-valuenow")) > 0);
  seen.played = await page.locator(".event[aria-current]").innerText();
  return seen;
}

/** Every number of the overview is what the list it leads to counts. */
export async function overview({ page, job }) {
  await page.goto("/?table=overview&range=all&is=sdk_family:guance");
  await page.locator(".tile").first().waitFor();
  await page.screenshot({ path: `${job.folder}/overview.png`, fullPage: false });
  const links = await page.locator(".overview a").evaluateAll((all) => all.map((link) => ({ href: link.getAttribute("href"), text: link.innerText, section: link.closest("[aria-label]").getAttribute("aria-label") })));
  const tiles = Object.fromEntries(await page.locator(".tile a").evaluateAll((all) => all.map((one) => [one.children[0].innerText, { value: one.children[1].innerText, hint: one.children[2].innerText, href: one.getAttribute("href") }])));
  const sections = await page.locator(".overview h2").allInnerTexts();
  const count = async (href) => {
    const parameters = new URL(href, job.origin).searchParams;
    const table = parameters.get("table") ?? "sessions";
    for (const name of ["table", "range"]) parameters.delete(name);
    return (await (await page.request.get(`/api/v1/${table}?limit=1&${parameters}`)).json()).total;
  };
  const wrong = [];
  for (const { href, text, section } of links) {
    if (/table=(overview|groups)/.test(href) || /^Slowest|^Numbers/.test(section)) continue;
    const number = Number(text.replaceAll(",", "").match(/(\d+)\s*$/)?.[1]);
    if (!/^[\d,]+$|\d\s+[\d,]+$/.test(text.trim()) || /%$/.test(text.trim())) continue;
    const own = await count(href);
    if (own !== number) wrong.push({ href, text, own });
  }
  const tile = {};
  for (const [name, { href }] of Object.entries(tiles)) tile[name] = await count(href);
  await page.locator(".tile", { hasText: "Errors" }).first().locator("a").click();
  await idle(page);
  return { sections, tiles, tile, checked: links.length, wrong, there: { url: page.url(), total: await total(page), chips: await chips(page) } };
}

/** Saved views, a file, the way back to the row, the next session, a list that is read again. */
export async function habits({ page, job }) {
  const seen = {};
  await open(page, "/?table=errors&range=all&is=error_type:TypeError");
  await page.getByRole("button", { name: "Saved", exact: true }).click();
  await page.getByLabel("Name of this view").fill("Type errors");
  await page.getByRole("button", { name: "Save this view" }).click();
  const address = page.url();
  await open(page, "/?range=all");
  await page.getByRole("button", { name: "Saved", exact: true }).click();
  await after(page, () => page.getByRole("link", { name: "Type errors" }).click());
  seen.saved = page.url() === address;
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV", exact: true }).click()]);
  const lines = (await readFile(await download.path(), "utf8")).trim().split("\r\n");
  seen.csv = { name: download.suggestedFilename(), head: lines[0], rows: lines.length - 1, total: await total(page) };
  await page.setViewportSize({ width: 1440, height: 500 });
  await open(page, "/?range=all");
  await page.locator(".table-scroll").evaluate((box) => (box.scrollTop = 300));
  const row = page.locator(".sessions tbody tr").nth(14);
  const name = await row.innerText();
  await row.scrollIntoViewIfNeeded();
  const top = await page.locator(".table-scroll").evaluate((box) => box.scrollTop);
  await row.locator("td").nth(3).click();
  await page.locator(".timeline .entry").first().waitFor();
  seen.place = await page.locator(".neighbours .hint").innerText();
  const before = page.url();
  await page.keyboard.press("]");
  await page.waitForFunction((url) => location.href !== url && document.querySelector(".neighbours .hint")?.innerText.startsWith("16"), before);
  seen.next = await page.locator(".neighbours .hint").innerText();
  await page.keyboard.press("[");
  await page.waitForFunction(() => document.querySelector(".neighbours .hint")?.innerText.startsWith("15"));
  await page.keyboard.press("u");
  await idle(page);
  seen.back = { top, again: await page.locator(".table-scroll").evaluate((box) => box.scrollTop), isSame: (await page.locator("tr.current").innerText()) === name };
  await page.setViewportSize({ width: 1440, height: 860 });
  await open(page, "/?range=all");
  seen.fits = await page.locator(".table-scroll").evaluate((box) => box.scrollWidth <= box.clientWidth);
  await page.setViewportSize({ width: 1440, height: 500 });
  for (let step = 0; step < 12; step += 1) await page.keyboard.press("j");
  const place = () =>
    page.evaluate(() => {
      const row = document.querySelector("tr.current");
      const top = row.getBoundingClientRect().top - document.querySelector(".table-scroll").getBoundingClientRect().top;
      return { top: Math.round(top), details: row.dataset.details, isFocused: row === document.activeElement };
    });
  const isList = (answer) => answer.url().includes("/api/v1/sessions?");
  await page.getByLabel("Read again").selectOption("10");
  seen.every = page.url();
  await page.locator("tr.current").focus();
  const [first] = [await place(), await page.evaluate(() => (document.querySelector("tr.current").dataset.old = "true"))];
  await page.waitForResponse(isList);
  await page.waitForFunction(() => document.querySelector("tr.current") && !document.querySelector("tr[data-old]"));
  seen.stays = { first, again: await place() };
  await page.setViewportSize({ width: 1440, height: 860 });
  await page.getByLabel("Time range").selectOption("15m");
  await idle(page);
  seen.range = page.url();
  await page.getByRole("button", { name: "Columns", exact: true }).click();
  await page.getByRole("button", { name: "Move Duration to the left" }).click();
  await page.waitForFunction(() => location.search.includes("columns="));
  seen.moved = new URL(page.url()).searchParams.get("columns").split(",").slice(0, 2);
  return seen;
}

/** Which release broke checkout, who was hit, show me. */
export async function walk({ page, job }) {
  let clicks = 0;
  const click = async (target) => {
    clicks += 1;
    await target.click();
  };
  await page.goto(job.others.release);
  await idle(page);
  await click(tab(page, "Overview"));
  const releases = page.getByRole("region", { name: "By version, table" });
  await releases.waitFor();
  const rows = await releases.locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));
  await page.screenshot({ path: `${job.folder}/walk-overview.png` });
  await click(page.getByRole("region", { name: "Top errors, table" }).getByRole("link", { name: "payment failed" }));
  await idle(page);
  const group = page.locator(".facets details", { has: page.locator("summary", { hasText: /^Version$/ }) });
  await group.locator(".facet").first().waitFor();
  const broke = await group.locator(".facet-text").allInnerTexts();
  await click(page.locator("tbody tr").first().locator("td").nth(2));
  await page.locator(".source").waitFor();
  await click(page.getByRole("button", { name: "Sessions with this error" }));
  await page.waitForFunction(() => location.search.includes("has="));
  await idle(page);
  const hit = await page.locator(".sessions tbody tr").evaluateAll((all) => all.map((row) => row.innerText.match(/\w+ Example/)?.[0]));
  await page.locator(".chip", { hasText: "Group: payment failed" }).waitFor();
  clicks += 1; // the browser's back button
  await page.goBack();
  await page.locator(".source").waitFor();
  await click(page.getByRole("link", { name: "Play at that moment" }));
  const marked = await cartIsShown(page);
  await page.screenshot({ path: `${job.folder}/walk-replay.png` });
  return { clicks, rows, broke, hit, marked };
}

/** The replay stands at the cart, with its error marked: what is marked. */
async function cartIsShown(page) {
  await page.waitForFunction(() => Number(document.querySelector(".scrubber")?.getAttribute("aria-valuenow")) > 0);
  await page.waitForFunction(() => /Your cart/.test(document.querySelector("iframe")?.contentDocument?.querySelector("iframe")?.contentDocument?.body?.innerText ?? ""));
  return page.locator(".event[aria-current]").innerText();
}

/** The same without a mouse: by the keys of the page, tab and enter. */
export async function walkByKeys({ page, job }) {
  const keys = async (...all) => {
    for (const key of all) await page.keyboard.press(key);
  };
  const tabTo = async (target) => {
    await target.waitFor();
    for (let presses = 1; presses < 300; presses += 1) {
      await page.keyboard.press("Tab");
      if (await target.evaluate((one) => one === document.activeElement)) return presses;
    }
    throw new Error("no tab leads there");
  };
  await page.goto(job.others.release);
  await idle(page);
  await keys("0");
  const failed = page.getByRole("region", { name: "Top errors, table" }).getByRole("link", { name: "payment failed" });
  const toError = await tabTo(failed);
  await after(page, () => keys("Enter"));
  await keys("j", "Enter");
  const toSessions = await tabTo(page.getByRole("button", { name: "Sessions with this error" }));
  await after(page, () => keys("Enter"));
  const hit = await total(page);
  await after(page, () => page.goBack());
  await tabTo(page.getByRole("link", { name: "Play at that moment" }));
  await keys("Enter");
  const marked = await cartIsShown(page);
  await keys(" ");
  await page.locator(".player:not(.is-playing)").waitFor();
  await after(page, () => keys("u"));
  await after(page, () => keys("4"));
  await after(page, () => keys("g"));
  await page.locator(".groups tbody tr").first().waitFor();
  await keys("j", "p");
  await page.waitForFunction(() => Number(document.querySelector(".scrubber")?.getAttribute("aria-valuenow")) > 0);
  return { toError, toSessions, hit, marked };
}

/** axe on every new view at one width, light and dark. */
async function accessibleAt(width, { page }) {
  const found = {};
  await page.setViewportSize({ width, height: 860 });
  const check = async (view) => {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      found[`${view} ${colorScheme}`] = await violations(page, colorScheme);
    }
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) found[view] = ["wider than the window"];
  };
  await open(page, "/?range=all&has=errors.error_type:TypeError&is=browser:Chrome");
  await page.locator(".total").waitFor();
  await check("sessions");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.locator(".suggested .button").first().waitFor();
  await check("builder");
  await open(page, "/?table=views&range=all");
  await page.locator("tbody tr").first().locator("td").nth(2).click();
  await page.locator(".entry-content h3", { hasText: "What happened" }).waitFor();
  await check("view entry");
  await open(page, "/?table=resources&range=all");
  await check("resources");
  await page.goto("/?table=groups&range=all");
  await page.locator(".groups tbody tr").first().waitFor();
  await check("groups");
  await page.goto("/?table=overview&range=all");
  await page.locator(".tile").first().waitFor();
  await check("overview");
  return found;
}

export const accessibleExplorers1440 = (run) => accessibleAt(1440, run);
export const accessibleExplorers1024 = (run) => accessibleAt(1024, run);
export const accessibleExplorers400 = (run) => accessibleAt(400, run);
