// Signing in and out, by token and by a proxy; a lake that is empty, or is none.
import { cp, readFile } from "node:fs/promises";
import { violations } from "./axe.mjs";

const settled = (page) => page.waitForFunction(() => document.querySelector(".sessions tbody tr, .empty:not([hidden])") && document.querySelector(".table-scroll")?.hasAttribute("aria-busy") === false);

async function enter(page, token) {
  await page.locator("#token").fill(token);
  await page.keyboard.press("Enter");
}

/** A token once: a wrong one, the right one, other tabs, what the browser keeps, signing out in all tabs. */
export async function signsInOnce({ page, job, complaints }) {
  const origin = job.others.guarded;
  await page.goto(origin);
  await page.locator("#token").waitFor();
  await page.screenshot({ path: `${job.folder}/sign-in.png` });
  await enter(page, "not-this-one");
  await page.locator("[role=alert]", { hasText: "not accepted" }).waitFor();
  const own = complaints.filter((one) => !one.includes("401"));
  await enter(page, job.token);
  await settled(page);
  const apps = await page.locator("select[aria-label=Application] option").allInnerTexts();
  const kept = await page.evaluate(() => [Object.values(sessionStorage).join(), Object.values(localStorage).join(), document.cookie]);
  const [cookie] = await page.context().cookies(origin);
  const second = await page.context().newPage();
  await second.goto(`${origin}/?app=${encodeURIComponent(job.sessions.hostile.app)}&session=${encodeURIComponent(job.sessions.hostile.id)}&tab=replay`);
  await second.waitForFunction(() => document.querySelector(".clock")?.textContent);
  await second.keyboard.press("c");
  const link = await second.locator(".panel input").inputValue();
  await second.keyboard.press("Escape");
  await page.getByRole("button", { name: "Signed in as test" }).click();
  const account = await page.locator(".panel").innerText();
  await page.screenshot({ path: `${job.folder}/account.png` });
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("#token").waitFor();
  await second.reload();
  await second.locator("#token").waitFor();
  const cookies = await page.context().cookies(origin);
  await second.goto(link);
  await second.waitForFunction(() => document.querySelector(".clock")?.textContent);
  const isHidden = await second.getByRole("button", { name: "Signed in as" }).isHidden();
  await second.goto(link.replace(/exp=\d+/, "exp=1"));
  const expired = await second.locator("[role=alert]").innerText();
  return { apps, kept, cookie, account, cookies, own, isHidden, expired };
}

/** Behind a proxy that signs people in there is no form; the page says who one is. */
export async function signedInByProxy({ page, job }) {
  await page.context().setExtraHTTPHeaders({ "X-Forwarded-User": "ada@example.com" });
  await page.goto(job.others.proxied);
  await settled(page);
  const apps = await page.locator("select[aria-label=Application] option").allInnerTexts();
  await page.getByRole("button", { name: "Signed in as ada@example.com" }).click();
  return { apps, account: await page.locator(".panel").innerText(), out: await page.getByRole("button", { name: "Sign out" }).count() };
}

/** What an empty lake, and a place without a lake, say; and that the page sees by itself when sessions come. */
export async function emptyLakes({ page, job }) {
  await page.goto(job.others.none);
  await page.locator("h1", { hasText: "No lake here" }).waitFor();
  const none = await page.locator("main").innerText();
  await page.goto(job.others.empty);
  await page.locator("h1", { hasText: "A lake without sessions" }).waitFor();
  const empty = await page.locator("main").innerText();
  await page.screenshot({ path: `${job.folder}/empty.png` });
  await page.getByRole("button", { name: "Copy: To try: recordings that come with the source" }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  await cp(`${job.lakes}/lake`, `${job.lakes}/empty`, { recursive: true });
  await settled(page);
  return { none, empty, copied, rows: await page.locator(".sessions tbody tr").count() };
}

/** Light and dark, wide and narrow. */
export async function accessibleSignIn({ page, job }) {
  const found = {};
  const overflow = {};
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [1440, 1024, 400]) {
      await page.setViewportSize({ width, height: 800 });
      const check = async (what) => {
        found[`${what} ${scheme} ${width}`] = await violations(page);
        overflow[`${what} ${scheme} ${width}`] = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      };
      await page.goto(job.others.guarded);
      await page.locator("#token").waitFor();
      await check("sign in");
      await page.goto(job.others.none);
      await page.locator("h1", { hasText: "No lake here" }).waitFor();
      await check("no lake");
      await page.context().setExtraHTTPHeaders({ "X-Forwarded-User": "ada@example.com" });
      await page.goto(job.others.proxied);
      await settled(page);
      await page.getByRole("button", { name: "Signed in as" }).click();
      await check("account");
      await page.screenshot({ path: `${job.folder}/account-${scheme}-${width}.png` });
      await page.context().setExtraHTTPHeaders({});
    }
  }
  return { found, overflow };
}
