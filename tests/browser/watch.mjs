// Watches sessions in the page of `replaylake serve`: `node watch.mjs JOB.json`, with {chromium, origin, folder, sessions}.
// Prints one JSON object: the rows of the list, and of each session what the player shows and its counts.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const browser = await chromium.launch({ executablePath: job.chromium, args: ["--no-sandbox"] });
const page = await browser.newPage({ baseURL: job.origin, viewport: { width: 1440, height: 860 } });
page.setDefaultTimeout(60_000);
const complaints = [];
page.on("console", (message) => ["warning", "error"].includes(message.type()) && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));

await page.goto("/");
await page.locator(".sessions tbody tr .play-button").nth(job.sessions.length - 1).waitFor();
const rows = await page.locator(".sessions tbody tr").evaluateAll((all) => all.map((row) => row.innerText.replace(/\s+/g, " ")));
await page.screenshot({ path: `${job.folder}/explorer.png` });

const shown = {};
for (const { family, app, id } of job.sessions) {
  await page.goto(`/?app=${encodeURIComponent(app)}&session=${encodeURIComponent(id)}&tab=replay`);
  await page.waitForFunction(() => document.querySelector(".player")?.classList.contains("is-playing") && document.querySelector(".stage-veil")?.hidden);
  await page.waitForFunction(() => Number(document.querySelector(".scrubber")?.getAttribute("aria-valuenow")) >= 1);
  const stage = page.frames().find((frame) => frame.url().endsWith("/page/stage.html"));
  const text = await stage.evaluate(() => document.querySelector("iframe").contentDocument?.body?.innerText ?? "");
  const events = await page.locator(".event-list .event").count();
  await page.screenshot({ path: `${job.folder}/player-${family}.png` });
  shown[family] = { text, events };
}
await browser.close();
process.stdout.write(JSON.stringify({ rows, shown, complaints }));
