// Plays recordings in Chromium: `node play.mjs JOB.json` with {chromium, recordings: [{name, events, moments, shots}]}.
// Prints one JSON array: per recording its length, what was seen at each moment, and every complaint of the page.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const FILES = {
  "/": [here("player.html"), "text/html"],
  "/player.js": [here("node_modules/rrweb-player/dist/rrweb-player.umd.min.cjs"), "text/javascript"],
  "/style.css": [here("node_modules/rrweb-player/dist/style.css"), "text/css"],
};
job.recordings.forEach(({ events }, index) => (FILES[`/events/${index}`] = [events, "application/json"]));
const PIXEL = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");

const server = createServer(async (request, response) => {
  const file = FILES[request.url];
  response.writeHead(file ? 200 : 404, { "content-type": file ? file[1] : "text/plain" });
  response.end(file ? await readFile(file[0]) : "");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

// The recorded sites are gone; an empty answer keeps their absence from being reported as an error of the page.
async function stayHome(route) {
  const request = route.request();
  if (request.url().startsWith(`${origin}/`)) return route.continue();
  const image = request.resourceType() === "image";
  return route.fulfill({ status: 200, contentType: image ? "image/gif" : "text/plain", body: image ? PIXEL : "" });
}

async function play(browser, recording, index) {
  const page = await browser.newPage({ viewport: { width: 1024, height: 656 } });
  const complaints = [];
  page.on("console", (message) => {
    if (["warning", "error"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => complaints.push(`page error: ${error.message}`));
  await page.route("**/*", stayHome);
  await page.goto(`${origin}/`);
  const totalMs = await page.evaluate((url) => open(url), `/events/${index}`);
  const seen = [];
  for (const [place, moment] of recording.moments.entries()) {
    seen.push(await page.evaluate((offset) => seek(offset), Math.floor(moment * totalMs)));
    await page.screenshot({ path: `${recording.shots}-${place}.png` });
  }
  await page.close();
  return { name: recording.name, totalMs, seen, complaints };
}

const browser = await chromium.launch({ executablePath: job.chromium, args: ["--no-sandbox"] });
const results = [];
for (const [index, recording] of job.recordings.entries()) results.push(await play(browser, recording, index));
await browser.close();
server.close();
process.stdout.write(JSON.stringify(results));
