// The reader of docs/tutorial.md: `node tutorial.mjs JOB.json`, with {chromium, page, modules, live}.
// Prints the sessions that the viewer says are live while the page is open.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { serveModules } from "./modules.mjs";
import { asPerson, PERSON } from "./person.mjs";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const browser = await chromium.launch({ executablePath: job.chromium, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ userAgent: PERSON });
  await page.addInitScript(asPerson);
  await serveModules(page, job.modules);
  await page.goto(job.page);
  await page.waitForFunction(() => window.posthog?.sessionRecordingStarted());
  await page.click("text=Lamps");
  for (let time = 0; time < 3; time += 1) {
    await page.waitForTimeout(1200); // a click a second is no rage click
    await page.click("text=Buy a lamp");
  }
  const live = async () => (await (await fetch(job.live)).json()).sessions;
  for (let tries = 0; tries < 30 && !(await live()).length; tries += 1) await page.waitForTimeout(1000);
  console.log(JSON.stringify(await live()));
  await page.unrouteAll(); // a beacon that waits for the driver's leave is lost with its page
  await page.goto("about:blank");
  await page.waitForTimeout(1000);
} finally {
  await browser.close();
}
