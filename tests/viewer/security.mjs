// A recording that attacks its watcher: nothing of it may run, and nothing may call out.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const sessionUrl = ({ app, id }, more) => `/?app=${encodeURIComponent(app)}&session=${encodeURIComponent(id)}${more}`;
const stageOf = (page) => page.frames().find((frame) => frame.url().endsWith("/page/stage.html"));
const flags = async (page) => Promise.all(page.frames().map((frame) => frame.evaluate(() => window.pwned ?? null).catch(() => null)));

/** The origin that the recording wants to reach: it counts who comes. */
async function evil(job) {
  const hits = [];
  const server = createServer((request, response) => {
    hits.push(request.url);
    response.writeHead(200, { "access-control-allow-origin": "*", "content-type": "text/plain" });
    response.end("x");
  });
  await new Promise((resolve) => server.listen(Number(new URL(job.evil).port), "127.0.0.1", resolve));
  return { hits, close: () => server.close() };
}

export async function hostile({ page, job, complaints }) {
  const { hits, close } = await evil(job);
  const session = job.sessions.hostile;
  try {
    await page.goto("/?range=all");
    await page.locator("td", { hasText: "onload=" }).first().waitFor();
    await page.locator("tr", { hasText: "onload=" }).first().click({ position: { x: 300, y: 10 } });
    for (const tab of ["timeline", "pages", "properties"]) {
      await page.locator(`#tab-${tab}`).click();
      for (const more of await page.locator(`#panel-${tab} .entry-main`).all()) await more.click();
    }
    const links = await page.locator("a").evaluateAll((all) => all.map((one) => one.protocol));
    const title = await page.title();
    await page.locator("#tab-replay").click();
    await page.waitForFunction(() => Number(document.querySelector(".scrubber")?.getAttribute("aria-valuenow")) >= 2);
    const stage = stageOf(page);
    const text = await stage.evaluate(() => document.querySelector("iframe").contentDocument.body.innerText);
    const clicked = await stage.evaluate(() => {
      const recorded = document.querySelector("iframe").contentDocument;
      for (const link of recorded.querySelectorAll("a, button, input, summary")) link.click();
      return [...recorded.querySelectorAll("a")].map((link) => link.getAttribute("href"));
    });
    for (const wanted of [5, 10]) await page.locator(".scrubber").press(wanted === 5 ? "ArrowRight" : "PageDown");
    await page.waitForFunction(() => document.querySelector(".stage-veil").hidden);
    const here = new URL(page.url()).origin;
    const own = complaints.filter((one) => !one.includes("Blocked form submission")); // our click on its button
    const bare = await withoutNeutraliser(page, stage, session);
    return { text, clicked, links, title, here, complaints: [...own], hits: [...hits], flags: await flags(page), bare };
  } finally {
    close();
  }
}

/** The same events as they were received, straight into rrweb in the stage: its policy and the sandbox alone must hold. */
async function withoutNeutraliser(page, stage, session) {
  const path = `/api/v1/apps/${encodeURIComponent(session.app)}/sessions/${encodeURIComponent(session.id)}/replay/events?track=0&chunk=0`;
  const events = await page.evaluate(async (url) => (await fetch(url)).json(), path);
  return stage.evaluate(async (list) => {
    const player = new window.rrwebReplay.Replayer(list, { root: document.body, showWarning: false });
    player.pause(5000);
    await new Promise((resolve) => setTimeout(resolve, 800));
    const recorded = player.iframe.contentDocument;
    for (const link of recorded.querySelectorAll("a, button, input, summary")) link.click();
    await new Promise((resolve) => setTimeout(resolve, 400));
    return { images: recorded.querySelectorAll("img").length, drawn: recorded.body.innerText.includes("seen by the watcher") };
  }, events);
}

/** The control: in a page without our protections the same recording does call out. Else the test above proves nothing. */
export async function unprotected({ page, job }) {
  const session = job.sessions.hostile;
  const { root } = job;
  const path = `/api/v1/apps/${encodeURIComponent(session.app)}/sessions/${encodeURIComponent(session.id)}/replay/events?track=0&chunk=0`;
  const events = await (await page.request.get(path)).text();
  const called = [];
  await page.route("**/*", async (route) => {
    const url = route.request().url();
    if (url === "http://bare.localhost/") return route.fulfill({ contentType: "text/html", body: "<script src='/replay.js'></script><body></body>" });
    if (url === "http://bare.localhost/replay.js") return route.fulfill({ contentType: "text/javascript", body: await readFile(`${root}/viewer/page/vendor/replay.js`, "utf8") });
    called.push(url);
    return route.abort();
  });
  await page.goto("http://bare.localhost/");
  await page.evaluate(async (list) => {
    const player = new window.rrwebReplay.Replayer(list, { showWarning: false });
    player.pause(5000);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }, JSON.parse(events));
  return { called: called.map((url) => url.replace(job.evil, "")) };
}
