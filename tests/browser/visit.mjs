// One visitor for each SDK, in a real browser: `node visit.mjs JOB.json` with {chromium, site, intake, names}.
// Prints one JSON object: per SDK the session id, the requests that the intake answered, and what the page complained of.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));

async function visit(browser, name) {
  const page = await browser.newPage({ viewport: { width: 1024, height: 656 } });
  const answers = [];
  const failures = [];
  page.on("response", (response) => {
    const url = new URL(response.url());
    if (response.url().startsWith(job.intake)) answers.push(`${response.request().method()} ${url.pathname} ${response.status()}`);
  });
  page.on("requestfailed", (request) => {
    if (request.url().startsWith(job.intake)) failures.push(`${request.method()} ${request.url()} ${request.failure()?.errorText}`);
  });
  await page.goto(`${job.site}/${name}.html?intake=${encodeURIComponent(job.intake)}`);
  await page.waitForFunction(() => window.sessionId?.());
  await page.waitForTimeout(2000); // a visitor reads, and a recorder that is loaded later begins
  await page.click("#buy");
  await page.waitForSelector("text=A lamp costs 12 euro");
  await page.click("text=Tents");
  await page.waitForSelector("text=tents number 3");
  await page.fill("#name", "Ann");
  await page.click("#break");
  await page.waitForTimeout(3500); // SDKs send what they have every few seconds
  await page.click("text=Lamps");
  await page.waitForSelector("text=lamps number 1");
  const session = await page.evaluate(() => window.sessionId());
  await page.goto("about:blank"); // the rest goes out with beacons
  await page.waitForTimeout(1000);
  await page.close();
  return { session, answers, failures };
}

const browser = await chromium.launch({ executablePath: job.chromium, args: ["--no-sandbox"] });
try {
  const visits = await Promise.all(job.names.map((name) => visit(browser, name)));
  console.log(JSON.stringify(Object.fromEntries(job.names.map((name, index) => [name, visits[index]]))));
} finally {
  await browser.close();
}
