// One visitor for each page, in a real browser: `node visit.mjs JOB.json`, with
// {chromium, site, intake, rounds, arguments, modules}.
// `rounds`: lists of pages that are visited at once. `intake`: its addresses, the first for the pages of the site.
// What a snippet wants from a CDN comes from `modules`, at that version.
// Prints one JSON object: per SDK the session id, the requests that the intake answered, and what the page complained of.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { serveModules } from "./modules.mjs";
import { asPerson, PERSON } from "./person.mjs";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));

const ofIntake = (one) => job.intake.some((address) => one.url().startsWith(address));

async function visit(browser, name) {
  const isSnippet = name.startsWith("snippet-");
  const page = await browser.newPage({ viewport: { width: 1024, height: 656 }, userAgent: isSnippet ? PERSON : undefined });
  if (isSnippet) {
    await page.addInitScript(asPerson);
    await serveModules(page, job.modules);
  }
  const answers = [];
  const failures = [];
  page.on("response", (response) => {
    const url = new URL(response.url());
    if (ofIntake(response)) answers.push(`${response.request().method()} ${url.pathname} ${response.status()}`);
  });
  page.on("requestfailed", (request) => {
    if (ofIntake(request)) failures.push(`${request.method()} ${request.url()} ${request.failure()?.errorText}`);
  });
  await page.goto(`${job.site}/${name}.html?intake=${encodeURIComponent(job.intake[0])}`);
  await page.waitForFunction(() => window.sessionId?.());
  await page.waitForTimeout(2000); // a visitor reads, and a recorder that is loaded later begins
  await page.click("#buy");
  await page.waitForSelector("text=A lamp costs 12 euro");
  await page.click("text=Tents");
  await page.waitForSelector("text=tents number 3");
  await page.fill("#name", "Ann");
  await page.click("#break");
  await page.waitForTimeout(3500); // SDKs send what they have every few seconds
  await quiet(page, answers);
  await page.click("text=Lamps");
  await page.waitForSelector("text=lamps number 1");
  const session = await page.evaluate(() => window.sessionId());
  await page.unrouteAll(); // a beacon that waits for the driver's leave is lost with its page
  await page.goto("about:blank"); // the rest goes out with beacons
  await quiet(page, answers);
  await page.close();
  return { session, answers, failures };
}

/** Until nothing was answered for two seconds, at most half a minute. */
async function quiet(page, answers) {
  for (let seen = -1, looks = 0; seen !== answers.length && looks < 15; looks++) {
    seen = answers.length;
    await page.waitForTimeout(2000);
  }
}

const browser = await chromium.launch({ executablePath: job.chromium, args: ["--no-sandbox", ...job.arguments] });
try {
  const visits = {};
  for (const names of job.rounds) await Promise.all(names.map(async (name) => (visits[name] = await visit(browser, name))));
  console.log(JSON.stringify(visits));
} finally {
  await browser.close();
}
