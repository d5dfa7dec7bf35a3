// What people choose for themselves: time zone, widths and places of columns, language; and stacks in the sources.
import { violations } from "./axe.mjs";

const idle = (page) => page.waitForFunction(() => document.querySelector(".sessions tbody tr, .empty:not([hidden])") && document.querySelector(".table-scroll")?.hasAttribute("aria-busy") === false);
const heads = (page) => page.locator(".sessions thead .sort").allInnerTexts();
const times = async (page) => (await page.locator(".sessions tbody tr time").allInnerTexts()).slice(0, 3);

async function open(page, address) {
  await page.goto(address);
  await idle(page);
}

/** An error shows its stack in the sources, the page's own code first. */
export async function stacks({ page, job }) {
  const seen = {};
  await open(page, "/?table=errors&range=all&is=error_message:payment+failed&is=sdk_family:guance");
  await page.locator(".sessions tbody tr").first().locator("td").nth(2).click();
  await page.locator(".frames li").first().waitFor();
  seen.frames = await page.locator(".frames li").evaluateAll((all) => all.map((one) => ({ file: one.querySelector(".frame-file").innerText, number: one.value, meant: one.querySelector(".source-line.meant")?.innerText })));
  await page.getByText("As recorded").click();
  seen.recorded = await page.locator(".stack-block pre.stack").innerText();
  await page.screenshot({ path: `${job.folder}/stack.png` });
  await open(page, "/?table=errors&range=all&is=error_message:payment+failed&is=sdk_family:datadog");
  await page.locator(".sessions tbody tr").first().locator("td").nth(2).click();
  await page.locator(".stack-block .hint").first().waitFor();
  seen.without = await page.locator(".stack-block .hint").first().innerText();
  seen.raw = await page.locator(".stack-block pre.stack").first().innerText();
  return seen;
}

/** Times in a zone that somebody chose: kept, in links, and of what is written. */
export async function zones({ page, job }) {
  const seen = {};
  await open(page, "/?range=all");
  seen.utc = await times(page);
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.screenshot({ path: `${job.folder}/settings.png` });
  await page.getByRole("dialog", { name: "Settings" }).getByLabel("Time zone").selectOption("Asia/Shanghai");
  await page.waitForFunction(() => location.search.includes("tz="));
  await idle(page);
  seen.shanghai = await times(page);
  seen.url = page.url();
  await open(page, "/?range=all");
  seen.kept = await times(page);
  await open(page, "/?range=all&tz=America/St_Johns");
  seen.link = await times(page);
  await page.locator(".sessions tbody tr").nth(2).locator("td").nth(3).click();
  await page.locator(".timeline .entry").first().waitFor();
  seen.session = page.url();
  await open(page, "/?range=all&tz=Nowhere/At_All");
  seen.unknown = await times(page);
  await open(page, "/?range=all&tz=Asia/Shanghai");
  await page.getByLabel("Time range").selectOption("custom");
  const from = page.getByRole("textbox", { name: "From" });
  await from.fill("2026-11-21T08:00:00");
  await page.getByRole("textbox", { name: "To" }).fill("2026-11-21T09:30:00");
  await page.getByRole("button", { name: "Use", exact: true }).click();
  await page.waitForFunction(() => location.search.includes("from="));
  seen.range = Object.fromEntries(new URL(page.url()).searchParams);
  return seen;
}

/** Columns are dragged, moved by keys, and given a width that stays. */
export async function columns({ page, job }) {
  const seen = {};
  await open(page, "/?range=all");
  seen.before = await heads(page);
  const sort = (name) => page.locator(".sessions thead .sort", { hasText: name });
  await sort("Browser").dragTo(sort("Type"));
  await page.waitForFunction(() => location.search.includes("columns="));
  seen.dragged = await heads(page);
  await sort("Browser").focus();
  await page.keyboard.press("Alt+ArrowLeft");
  await page.waitForFunction((before) => document.querySelector(".sessions thead .sort").closest("tr").cells[2].innerText !== before, seen.dragged[1]);
  seen.byKey = await heads(page);
  seen.focused = await page.evaluate(() => document.activeElement.innerText);
  const width = (name) => sort(name).evaluate((button) => button.closest("th").offsetWidth);
  const start = await width("First page");
  const edge = await sort("First page").evaluate((button) => {
    const box = button.closest("th").querySelector(".edge").getBoundingClientRect();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  });
  await page.mouse.move(edge.x, edge.y);
  await page.mouse.down();
  await page.mouse.move(edge.x + 60, edge.y, { steps: 4 });
  await page.mouse.up();
  seen.wider = (await width("First page")) - start;
  await page.screenshot({ path: `${job.folder}/columns.png` });
  await sort("First page").focus();
  await page.keyboard.press("Shift+ArrowLeft");
  seen.narrower = (await width("First page")) - start;
  await page.reload();
  await idle(page);
  seen.kept = (await width("First page")) - start;
  await page.locator(".sessions thead th", { hasText: "First page" }).locator(".edge").dblclick();
  seen.back = (await width("First page")) - start;
  return seen;
}

/** An app is called by its name wherever it is shown, and asked for by its id. */
export async function names({ page, job }) {
  const seen = {};
  await open(page, "/?range=all");
  seen.options = await page.getByLabel("Application").locator("option").allInnerTexts();
  await page.getByLabel("Application").selectOption({ label: "Garden shop" });
  await page.waitForFunction(() => location.search.includes("app="));
  await idle(page);
  seen.url = page.url();
  await open(page, "/?range=all&columns=start,app_id");
  seen.cells = [...new Set(await page.locator(".sessions tbody td:nth-child(3)").allInnerTexts())];
  await page.locator(".sessions tbody tr", { hasText: "Garden shop" }).first().locator("td").nth(2).click();
  await page.locator(".timeline .entry").first().waitFor();
  seen.head = await page.locator(".session-head").innerText();
  await page.screenshot({ path: `${job.folder}/names.png` });
  return seen;
}

/** Another language: chosen, kept, said to assistive technology, and the browser's own where nobody chose. */
export async function languages({ page, job }) {
  const seen = {};
  const look = async () => ({ lang: await page.evaluate(() => document.documentElement.lang), tabs: await page.locator(".kinds a").allInnerTexts(), heads: await heads(page), total: await page.locator(".total").innerText() });
  await open(page, "/?range=all");
  seen.english = await look();
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByRole("dialog", { name: "Settings" }).getByLabel("Language").selectOption("zh");
  await page.waitForFunction(() => document.documentElement.lang === "zh");
  await idle(page);
  seen.chinese = await look();
  await page.screenshot({ path: `${job.folder}/chinese.png` });
  await open(page, "/?range=all&has=errors.error_type:TypeError&gt=time_spent:30000000000");
  seen.chips = await page.locator(".chip").allInnerTexts();
  const words = () =>
    page.evaluate(() => {
      const found = [];
      for (const one of document.querySelectorAll("button, a.button, h1, h2, h3, label, summary, option, [aria-label], [title], [placeholder]")) {
        const own = one.closest(".facets ul, tbody, .chip, .properties, .entry-body, .frames, dialog kbd, .events, .zone, .choice") ? [] : [one.getAttribute("aria-label"), one.getAttribute("placeholder"), one.children.length ? null : one.textContent];
        found.push(...own);
      }
      return [...new Set(found.filter((text) => text && /[a-z]{3}/.test(text) && !/[\u4e00-\u9fff]/.test(text)))];
    });
  seen.left = { list: await words() };
  await page.goto("/?table=overview&range=all");
  await page.locator(".tile").first().waitFor();
  seen.left.overview = await words();
  await page.screenshot({ path: `${job.folder}/chinese-overview.png` });
  const { app, id } = job.sessions["gc-shop"];
  await page.goto(`/?app=${encodeURIComponent(app)}&session=${encodeURIComponent(id)}&tab=replay&t=30`);
  await page.waitForFunction(() => document.querySelector(".clock")?.textContent && document.querySelector(".event[aria-current]"));
  seen.left.player = await words();
  await page.screenshot({ path: `${job.folder}/chinese-player.png` });
  const own = await page.context().browser().newContext({ locale: "zh-CN", baseURL: job.origin });
  const there = await own.newPage();
  await there.goto("/?range=all");
  await idle(there);
  seen.own = await there.evaluate(() => document.documentElement.lang);
  await own.close();
  return seen;
}

/** Clicks of many sessions over a picture of the page. */
export async function clickMap({ page, job }) {
  const seen = {};
  const { app } = job.sessions["gc-shop"];
  await open(page, `/?table=actions&range=all&app=${encodeURIComponent(app)}`);
  await page.getByRole("button", { name: "Click map", exact: true }).click();
  await page.locator(".page-choice").waitFor();
  await page.locator(".click-dot").first().waitFor();
  seen.url = page.url();
  seen.pages = await page.locator(".page-choice option").allInnerTexts();
  await page.locator(".page-choice").selectOption({ value: "/shop/cart.html" });
  await page.waitForFunction(() => location.search.includes("cart.html"));
  await page.locator(".click-map tbody tr", { hasText: "#pay" }).waitFor(); // the picture of the page before is gone then
  await page.locator(".click-dot").first().waitFor();
  seen.total = await page.locator(".total").innerText();
  seen.rows = await page.locator(".click-map tbody tr").evaluateAll((all) => all.map((row) => [row.querySelector(".selector").innerText, Number(row.cells[1].innerText)]));
  await page.waitForTimeout(500);
  await page.locator(".click-map tbody tr", { hasText: "#pay" }).hover();
  seen.placed = await page.evaluate(() => {
    const sheet = document.querySelector(".click-sheet").getBoundingClientRect();
    const stage = document.querySelector(".click-sheet iframe");
    const inner = stage.contentDocument.querySelector("iframe");
    const scale = stage.contentWindow.stage.size().scale;
    const pay = inner.contentDocument.querySelector("#pay").getBoundingClientRect();
    const mark = document.querySelector(".click-box.current").getBoundingClientRect();
    return { off: [mark.left - sheet.left - pay.left * scale, mark.top - sheet.top - pay.top * scale], dots: document.querySelectorAll(".click-dot").length, boxes: document.querySelectorAll(".click-box").length, sandbox: inner.getAttribute("sandbox") };
  });
  await page.screenshot({ path: `${job.folder}/clicks.png` });
  await page.getByRole("link", { name: "Pay now" }).click();
  await idle(page);
  seen.there = page.url();
  await page.goBack();
  await page.locator(".click-dot").first().waitFor();
  await page.keyboard.press("m");
  await idle(page);
  seen.back = page.url();
  return seen;
}

/** What axe finds at one width, light and dark, in what stands on the page: `check(name)`, and `found`. */
async function checker(width, page) {
  const found = {};
  await page.setViewportSize({ width, height: 860 });
  const check = async (name) => {
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await page.emulateMedia({ colorScheme });
      found[`${name} ${colorScheme}`] = await violations(page, colorScheme);
    }
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) found[name] = ["wider than the window"];
  };
  return { check, found };
}

async function accessibleLists(width, { page, job }) {
  const { check, found } = await checker(width, page);
  for (const table of ["actions", "long_tasks", "console"]) {
    await open(page, `/?table=${table}&range=all`);
    await check(table);
  }
  await open(page, "/?table=errors&range=all&is=error_message:payment+failed&is=sdk_family:guance");
  await page.locator(".sessions tbody tr").first().locator("td").nth(2).click();
  await page.locator(".frames li").first().waitFor();
  await check("errors, stack");
  await page.goto(`/?table=clicks&range=all&app=${encodeURIComponent(job.sessions["gc-shop"].app)}&is=view_path_group:/shop/cart.html`);
  await page.locator(".click-dot").first().waitFor();
  await check("clicks");
  return found;
}

async function accessibleRest(width, { page, job }) {
  const { check, found } = await checker(width, page);
  await open(page, "/?range=all&limit=10");
  for (const name of ["Settings", "Columns", "Saved", "Live now"]) {
    await page.getByRole("button", { name, exact: true }).click();
    await page.locator(".menu.panel").waitFor();
    await check(name);
    await page.keyboard.press("Escape");
  }
  const { app, id } = job.sessions["gc-shop"];
  await page.goto(`/?app=${encodeURIComponent(app)}&session=${encodeURIComponent(id)}&tab=pages`);
  await page.locator(".page").first().waitFor();
  await check("pages");
  await page.locator("#tab-properties").click();
  await check("properties");
  await page.locator("#tab-replay").click();
  await page.waitForFunction(() => document.querySelector(".clock")?.textContent);
  await page.keyboard.press("d");
  await page.locator(".side").waitFor();
  await check("replay, console and network");
  return found;
}

/** What opens over a view, and what a view says when there is nothing to show. */
async function accessibleOpened(width, { page, job, complaints }) {
  const { check, found } = await checker(width, page);
  await open(page, "/?range=all");
  if (width > 900) {
    await page.locator('.facets details[data-column="errors.error_message"] summary').click();
    await page.locator('.facets details[data-column="errors.error_message"] .facet').first().waitFor();
  }
  await check("what happened");
  const cell = page.locator("tbody tr").first().locator("td").nth(2);
  await cell.hover();
  await cell.locator(".cell-menu").click();
  await page.getByRole("menu").waitFor();
  await check("menu of a value");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await check("keys");
  await page.keyboard.press("Escape");
  await page.getByLabel("Time range").selectOption("custom");
  await page.getByRole("dialog", { name: "Time range" }).waitFor();
  await check("time range");
  await open(page, "/?range=all&is=browser:none");
  await page.locator(".empty:not([hidden])").waitFor();
  await check("no sessions");
  await open(page, "/?table=errors&range=all&entry=none&of=none");
  await page.locator(".entry-panel h2", { hasText: "Not there any more" }).waitFor();
  await check("no entry");
  const { app, id } = job.sessions["gc-shop"];
  const session = (which, tab) => `/?app=${encodeURIComponent(app)}&session=${encodeURIComponent(which)}&tab=${tab}`;
  await page.goto(session(id, "timeline"));
  await page.locator(".entry.error .entry-main").first().click();
  await page.locator(".timeline .entry-body").waitFor();
  await check("timeline, an error");
  await page.goto(session(id, "replay"));
  await page.waitForFunction(() => document.querySelector(".clock")?.textContent);
  await page.keyboard.press("c");
  await page.getByRole("dialog", { name: "Share" }).waitFor();
  await check("share");
  await page.goto(session("none", "timeline"));
  await page.getByRole("heading", { name: "This did not work" }).waitFor();
  await check("no session");
  const ours = complaints.filter((one) => !/status of 404/.test(one)); // the browser tells of the session that there is not
  complaints.splice(0, complaints.length, ...ours);
  return found;
}

export const accessibleLists1440 = (run) => accessibleLists(1440, run);
export const accessibleLists1024 = (run) => accessibleLists(1024, run);
export const accessibleLists400 = (run) => accessibleLists(400, run);
export const accessibleRest1440 = (run) => accessibleRest(1440, run);
export const accessibleRest1024 = (run) => accessibleRest(1024, run);
export const accessibleRest400 = (run) => accessibleRest(400, run);
export const accessibleOpened1440 = (run) => accessibleOpened(1440, run);
export const accessibleOpened1024 = (run) => accessibleOpened(1024, run);
export const accessibleOpened400 = (run) => accessibleOpened(400, run);
