// What is in the way of assistive technology, as axe finds it.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// Of what repeats the first are looked at: each is made by the same code, and there may be a hundred.
const MORE_OF_THE_SAME = ["tbody tr:nth-child(n+13)", ".falls li:nth-child(n+13)"];

/** Violations in what stands on the page, a line each. In dark only contrast is looked at: nothing else depends on it. */
export async function violations(page, scheme = "light") {
  await page.evaluate(SOURCE);
  const rules = scheme === "dark" ? { runOnly: ["color-contrast"] } : {};
  const found = await page.evaluate(({ exclude, rules }) => axe.run({ exclude: exclude.map((one) => [one]) }, { iframes: false, resultTypes: ["violations"], ...rules }), { exclude: MORE_OF_THE_SAME, rules });
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.length} × ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary?.split("\n")[1] ?? ""}`);
}
