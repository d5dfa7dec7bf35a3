// Drives the viewer's page in Chromium: `node drive.mjs JOB.json`, with {chromium, origin, folder, sessions, …}.
// Prints one JSON object: per scenario what was seen, or the error that ended it, and what the page complained of.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import * as choices from "./choices.mjs";
import * as explorer from "./explorer.mjs";
import * as explorers from "./explorers.mjs";
import * as player from "./player.mjs";
import * as security from "./security.mjs";
import * as signing from "./signing.mjs";
import * as watching from "./watching.mjs";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const files = { choices, explorer, explorers, player, security, signing, watching };
const scenarios = Object.assign({}, ...job.files.map((name) => files[name]));
const wanted = job.scenarios ?? Object.keys(scenarios);
const own = [job.origin, ...Object.values(job.others)];
const AT_ONCE = 2;
const DEADLINE_MS = 900_000;
const VIEWPORT = { width: 1440, height: 860 };

const browser = await chromium.launch({ executablePath: job.chromium, args: ["--no-sandbox"] });

async function run(name) {
  const context = await browser.newContext({ viewport: VIEWPORT, baseURL: job.origin, locale: "en-GB", timezoneId: "UTC", permissions: ["clipboard-read", "clipboard-write"] });
  context.setDefaultTimeout(180_000);
  const complaints = [];
  const outside = [];
  context.on("page", (page) => {
    page.on("console", (message) => {
      if (["warning", "error"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
    });
    page.on("pageerror", (error) => complaints.push(`page error: ${error.message || error.name}`));
    page.on("request", (request) => {
      if (!own.some((origin) => request.url().startsWith(`${origin}/`)) && !/^(data|blob|about):/.test(request.url())) outside.push(request.url());
    });
  });
  const page = await context.newPage();
  const began = Date.now();
  let timer;
  const deadline = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not done after ${DEADLINE_MS / 1000} s`)), DEADLINE_MS)));
  try {
    const seen = await Promise.race([scenarios[name]({ page, job, complaints }), deadline]);
    return { seen, complaints, outside, took_ms: Date.now() - began };
  } catch (error) {
    await page.screenshot({ path: `${job.folder}/failed-${name}.png`, timeout: 3000 }).catch(() => {});
    return { error: String(error.stack ?? error), complaints, outside };
  } finally {
    clearTimeout(timer);
    await context.close();
  }
}

const results = {};
const left = [...wanted];
async function work() {
  for (let name = left.shift(); name; name = left.shift()) results[name] = await run(name);
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
await browser.close();
process.stdout.write(JSON.stringify(results));
