// What is done in the list of sessions and in the details of one.
import { violations } from "./axe.mjs";

const rowCount = (page) => page.locator(".sessions tbody tr").count();
const total = async (page) => Number((await page.locator(".total").innerText()).match(/\d+/)[0]);
const settled = (page) => page.waitForFunction(() => document.querySelector(".sessions tbody tr, .empty:not([hidden])") && document.querySelector(".table-scroll")?.hasAttribute("aria-busy") === false);
const rows = async (page) => page.locator(".sessions tbody tr").evaluateAll((all) => all.map((row) => row.innerText.replace(/\s+/g, " ")));
const sessionUrl = ({ app, id }, more = "") => `/?app=${encodeURIComponent(app)}&session=${encodeURIComponent(id)}${more}`;

async function open(page, address) {
  await page.goto(address);
  await settled(page);
}

/** Apply something that changes the address, and wait for the list. */
async function after(page, act) {
  const before = page.url();
  await act();
  await page.waitForFunction((url) => location.href !== url, before);
  await settled(page);
}

export async function firstList({ page, job }) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  await open(page, "/");
  const list_ms = await page.evaluate(() => performance.now());
  await page.locator(".chart .bar").first().waitFor();
  await page.locator(".facet").first().waitFor();
  const { metrics } = await session.send("Performance.getMetrics");
  const cpu_ms = 1000 * metrics.find(({ name }) => name === "TaskDuration").value;
  await page.screenshot({ path: `${job.folder}/explorer.png` });
  const heads = await page.locator(".sessions thead .sort").allInnerTexts();
  const bytes = await page.evaluate(() => performance.getEntriesByType("resource").reduce((sum, one) => sum + one.transferSize, 0));
  await page.reload();
  await settled(page);
  return { list_ms, cpu_ms, again_ms: await page.evaluate(() => performance.now()), heads: heads.map((head) => head.replace("↓", "").trim()), rows: await rowCount(page), total: await total(page), play: await page.locator(".play-button").count(), bytes };
}

export async function filters({ page }) {
  await open(page, "/?range=all");
  const all = await total(page);
  await after(page, () => page.locator(".facet", { hasText: "Chrome" }).first().click());
  const chrome = { url: page.url(), total: await total(page) };
  const reloaded = await rows(page);
  await page.reload();
  await settled(page);
  const isSame = JSON.stringify(reloaded) === JSON.stringify(await rows(page));
  await after(page, () => page.locator(".chip button").first().click());
  const cell = page.locator("td", { hasText: "Ada Example" }).first();
  const menu = async (item) => {
    await cell.hover();
    await cell.locator(".cell-menu").click();
    await page.getByRole("menuitem", { name: item }).click();
  };
  await menu("Copy");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  await after(page, () => menu("Filter by this value"));
  const ada = await total(page);
  await after(page, () => page.goBack());
  await after(page, () => menu("Exclude this value"));
  const others = await total(page);
  await after(page, () => page.goBack());
  await after(page, () => page.locator("thead").getByRole("button", { name: "Duration" }).click());
  const longest = (await rows(page))[0];
  await after(page, () => menu("Add as column"));
  const columns = await page.locator(".sessions thead .sort").allInnerTexts();
  await page.keyboard.press("/");
  await page.keyboard.type("bo example");
  await after(page, () => page.keyboard.press("Enter"));
  return { all, chrome, isSame, copied, ada, others, longest, columns, found: await total(page) };
}

export async function chartZooms({ page }) {
  await open(page, "/?range=all");
  const all = await total(page);
  await page.locator(".chart .bar").first().waitFor();
  const box = await page.locator(".chart svg").boundingBox();
  await after(page, async () => {
    await page.mouse.move(box.x + 2, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 40, { steps: 4 });
    await page.mouse.up();
  });
  const parameters = new URL(page.url()).searchParams;
  return { all, part: await total(page), from: Number(parameters.get("from")), to: Number(parameters.get("to")) };
}

export async function paging({ page }) {
  await open(page, "/?range=all&limit=10");
  const pages = [await rows(page)];
  while (await page.getByRole("button", { name: "Older" }).isEnabled()) {
    await after(page, () => page.getByRole("button", { name: "Older" }).click());
    pages.push(await rows(page));
  }
  await after(page, () => page.goBack());
  return { sizes: pages.map((one) => one.length), distinct: new Set(pages.flat()).size, total: await total(page), back: JSON.stringify(await rows(page)) === JSON.stringify(pages.at(-2)) };
}

export async function keyboard({ page }) {
  await open(page, "/?range=all");
  for (const key of ["j", "j", "k", "j"]) await page.keyboard.press(key);
  const second = await page.locator(".sessions tr.current").evaluate((row) => [...row.parentElement.children].indexOf(row));
  await page.keyboard.press("?");
  const help = await page.locator("dialog dt").count();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.locator(".timeline .entry").first().waitFor();
  const details = page.url();
  await page.keyboard.press("u");
  await settled(page);
  return { second, help, details, back: page.url() };
}

export async function details({ page, job }) {
  await page.goto(sessionUrl(job.sessions["gc-shop"], "&tab=timeline"));
  await page.locator(".timeline .entry").first().waitFor();
  const counts = Object.fromEntries(await page.locator(".timeline-tab .toggle").evaluateAll((all) => all.map((one) => [one.firstChild.textContent, Number(one.lastChild.textContent)])));
  const times = await page.locator(".entry.error").first().locator(".entry-time").innerText();
  for (const kind of ["Pages", "Actions", "Resources", "Long tasks"]) await page.locator(".timeline-tab .toggle", { hasText: kind }).click();
  const onlyErrors = await page.locator(".timeline .entry").count();
  await page.locator(".entry.error .entry-main", { hasText: "undefined_zoom_lib" }).first().click();
  const stack = await page.locator(".stack").first().innerText();
  await page.screenshot({ path: `${job.folder}/details.png` });
  await page.getByRole("tab", { name: "Pages" }).click();
  await page.locator(".vital").first().waitFor();
  const vitals = await page.locator(".page").first().locator(".vital-name").allInnerTexts();
  const falls = await page.locator(".page").first().locator(".falls li").count();
  await page.screenshot({ path: `${job.folder}/pages.png` });
  await page.getByRole("tab", { name: "Properties" }).click();
  const properties = await page.locator(".property dt").allInnerTexts();
  await page.getByRole("tab", { name: "Timeline" }).click();
  await page.locator(".entry.error .jump").nth(3).click();
  await page.waitForFunction(() => /[&?]tab=replay/.test(location.search) && document.querySelector(".clock")?.textContent);
  await page.waitForFunction(() => Number(document.querySelector(".scrubber").getAttribute("aria-valuenow")) > 0);
  return { counts, times, onlyErrors, stack, vitals, falls, properties, jumped_s: Number(await page.locator(".scrubber").getAttribute("aria-valuenow")) };
}

export async function accessible({ page, job }) {
  const found = {};
  for (const scheme of ["light", "dark"]) {
    const check = async (name) => (found[name] = await violations(page));
    await page.emulateMedia({ colorScheme: scheme });
    await open(page, "/?range=all");
    await page.locator(".facet").first().waitFor();
    await check(`explorer ${scheme}`);
    await page.goto(sessionUrl(job.sessions["gc-shop"], "&tab=timeline"));
    await page.locator(".timeline .entry").first().waitFor();
    await page.locator(".entry.error .entry-main").first().click();
    for (const tab of scheme === "light" ? ["timeline", "pages", "properties"] : ["timeline"]) {
      await page.locator(`#tab-${tab}`).click();
      await check(`${tab} ${scheme}`);
    }
    await page.locator("#tab-replay").click();
    await page.waitForFunction(() => document.querySelector(".clock")?.textContent);
    await check(`replay ${scheme}`);
  }
  return found;
}
