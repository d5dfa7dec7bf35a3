// Filters between lists, numbers as people write them, and cells of a file for a spreadsheet.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nothingChosen } from "../../viewer/page/app/address.js";
import { carry, splitEvent } from "../../viewer/page/app/carry.js";
import { csvCell } from "../../viewer/page/app/csv.js";
import { leadAddress } from "../../viewer/page/app/lead.js";
import { example, quantity } from "../../viewer/page/app/quantity.js";

const columns = (...names) => new Map(names.map((name) => [name, { name }]));
const TABLES = {
  sessions: columns("browser", "version", "start"),
  views: columns("browser", "version", "view_path"),
  errors: columns("browser", "version", "view_path", "error_type", "duration"),
  resources: columns("browser", "version", "view_path", "duration"),
};
const state = (table, more) => ({ ...nothingChosen(table), ...more });

test("a filter that the other list has too goes with it, with app, range and words", () => {
  const { state: next, left } = carry(state("errors", { app: "a", range: "7d", q: "x", is: ["browser:Chrome", "view_path:/a"], cursor: "c", entry: "e" }), "resources", TABLES);
  assert.deepEqual([next.app, next.range, next.q, next.is], ["a", "7d", "x", ["browser:Chrome", "view_path:/a"]]);
  assert.deepEqual([next.table, next.cursor, next.entry, next.sort], ["resources", "", "", "-time"]);
  assert.deepEqual(left, []);
});

test("what happened becomes has= of the sessions, and comes back from there", () => {
  const there = carry(state("errors", { is: ["error_type:TypeError", "browser:Chrome"], gt: ["duration:5"] }), "sessions", TABLES);
  assert.deepEqual(there.state.has, ["errors.error_type:TypeError", "errors.duration>5"]);
  assert.deepEqual(there.state.is, ["browser:Chrome"]);
  const back = carry(there.state, "errors", TABLES);
  assert.deepEqual([back.state.is, back.state.gt, back.left], [["browser:Chrome", "error_type:TypeError"], ["duration:5"], []]);
});

test("a filter that would mean something else is taken off and told", () => {
  const two = carry(state("errors", { is: ["error_type:A", "error_type:B"], not: ["error_type:C"] }), "sessions", TABLES);
  assert.deepEqual([two.state.has, two.state.is, two.state.not], [[], [], []]);
  assert.deepEqual(two.left, ["error_type:A", "error_type:B", "error_type:C"]);
  assert.deepEqual(carry(state("sessions", { hasnot: ["errors.error_type:A"] }), "errors", TABLES).left, ["errors.error_type:A"]);
});

test("the overview takes what all that it counts have", () => {
  const { state: next, left } = carry(state("errors", { is: ["browser:Chrome", "error_type:A", "view_path:/a"] }), "overview", TABLES);
  assert.deepEqual([next.is, left], [["browser:Chrome"], ["error_type:A", "view_path:/a"]]);
});

test("groups of errors take the filters of errors", () => {
  assert.deepEqual(carry(state("errors", { is: ["error_type:A"] }), "groups", TABLES).state.is, ["error_type:A"]);
  assert.deepEqual(carry(state("groups", { is: ["error_type:A"] }), "sessions", TABLES).state.has, ["errors.error_type:A"]);
});

test("an event is split at its table, column and first sign", () => {
  assert.deepEqual(splitEvent("errors.error_message:a > b: c"), { table: "errors", column: "error_message", sign: ":", value: "a > b: c" });
  assert.deepEqual(splitEvent("long_tasks.duration>5"), { table: "long_tasks", column: "duration", sign: ">", value: "5" });
  assert.equal(splitEvent("nothing"), null);
});

test("numbers are read in the unit of their column", () => {
  const ns = { type: "int64", unit: "ns" };
  for (const [text, value] of [
    ["2.5 s", "2500000000"],
    ["2,5s", "2500000000"],
    ["300", "300000000"],
    ["1 min", "60000000000"],
    ["1e2 ms", "100000000"],
    ["5 kg", null],
    ["s", null],
    ["", null],
  ])
    assert.equal(quantity(text, ns), value, text);
  assert.equal(quantity("0.1", { type: "double", unit: "ratio" }), "0.1");
  assert.equal(quantity("20 kB", { type: "int64", unit: "bytes" }), "20000");
  assert.equal(quantity("1 s", { type: "int64", unit: "ms" }), "1000");
  assert.equal(quantity("2026-01-31T14:00Z", { type: "timestamp", unit: "" }), "1769868000000");
  assert.equal(quantity("yesterday", { type: "timestamp", unit: "" }), null);
  for (const field of [ns, { type: "double", unit: "ratio" }, { type: "timestamp", unit: "" }]) assert.notEqual(quantity(example(field), field), null);
});

test("a cell of the file is never a formula", () => {
  assert.equal(csvCell('=HYPERLINK("x")', null), `"'=HYPERLINK(""x"")"`);
  assert.equal(csvCell("+1", null), `"'+1"`);
  assert.equal(csvCell('a "b", c', null), '"a ""b"", c"');
  assert.equal(csvCell(-5, null), "-5");
  assert.equal(csvCell(null, null), "");
  assert.equal(csvCell(0, { type: "timestamp" }), "1970-01-01T00:00:00.000Z");
});

test("a number leads to its list, within the range that was chosen", () => {
  const lead = { route: "/views", filter: { app: ["a"], from: ["5"], is: ["browser:Chrome"], gt: ["first_byte:9"] } };
  assert.equal(leadAddress(lead, state("overview", { range: "7d" })), "/?table=views&app=a&range=7d&is=browser%3AChrome&gt=first_byte%3A9");
});
