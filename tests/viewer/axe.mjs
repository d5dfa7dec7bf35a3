// What is in the way of assistive technology, as axe finds it.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Violations in what stands on the page, a line each. With "dark" only contrast is looked at: nothing else depends on it. */
export async function violations(page, scheme = "light") {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(SOURCE);
  const rules = scheme === "dark" ? { runOnly: ["color-contrast"] } : {};
  const found = await page.evaluate((rules) => axe.run(document, { iframes: false, resultTypes: ["violations"], ...rules }), rules);
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.length} × ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary?.split("\n")[1] ?? ""}`);
}
