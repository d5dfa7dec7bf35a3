// A CDN without a network: what a page asks of one comes out of node_modules, if that very version is installed.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const NPM = /^https:\/\/cdn\.jsdelivr\.net\/npm\/((?:@[\w-]+\/)?[\w-]+)@([\d.]+)\/([\w./-]+)$/;
const SENTRY = /^https:\/\/browser\.sentry-cdn\.com\/([\d.]+)\/bundle\.tracing\.replay\.min\.js$/;

function fileOf(address, modules) {
  const [, name, version, path] = NPM.exec(address) ?? [];
  if (name) return { name, version, file: join(modules, name, path) };
  const [, release] = SENTRY.exec(address) ?? [];
  return release && { name: "@sentry/browser", version: release, file: join(modules, ".bundles", "sentry.js") };
}

/** Answer every request of a page to a CDN; what is not there, or is of another version, is a failure. */
export async function serveModules(page, modules) {
  await page.route(/^https:\/\/(cdn\.jsdelivr\.net|browser\.sentry-cdn\.com)\//, (route) => {
    const found = fileOf(route.request().url(), modules);
    const installed = found && JSON.parse(readFileSync(join(modules, found.name, "package.json"), "utf8")).version;
    if (!found || installed !== found.version || !existsSync(found.file)) {
      console.error(`${route.request().url()}: not in node_modules${installed ? `, which has ${installed}` : ""}`);
      return route.abort();
    }
    return route.fulfill({ path: found.file, contentType: "text/javascript", headers: { "access-control-allow-origin": "*" } });
  });
}
