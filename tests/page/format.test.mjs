// Values as people read them: one case on each side of every boundary.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, counted, declareLabels, duration, fieldText, label, position, webAddress } from "../../viewer/page/app/format.js";

test("a duration has the unit that fits, and never sixty of one", () => {
  const cases = [
    [null, ""],
    [0, "0 ms"],
    [9.94, "9.9 ms"],
    [35.4, "35 ms"],
    [999, "999 ms"],
    [1000, "1 s"],
    [59_949, "59.9 s"],
    [59_950, "1 min 00 s"],
    [184_000, "3 min 04 s"],
    [3_599_400, "59 min 59 s"],
    [3_599_500, "1 h 00 min"],
    [3_720_000, "1 h 02 min"],
  ];
  for (const [ms, text] of cases) assert.equal(duration(ms), text);
});

test("a position is minutes and seconds, with hours where there are some", () => {
  for (const [ms, text] of [
    [-1, "0:00"],
    [999, "0:00"],
    [61_000, "1:01"],
    [3_599_999, "59:59"],
    [3_600_000, "1:00:00"],
    [3_723_000, "1:02:03"],
  ]) {
    assert.equal(position(ms), text);
  }
});

test("bytes have three digits and the unit that fits", () => {
  for (const [value, text] of [
    [undefined, ""],
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1 kB"],
    [1234, "1.23 kB"],
    [5_000_000, "5 MB"],
  ]) {
    assert.equal(bytes(value), text);
  }
});

test("a field is shown by its type and unit", () => {
  assert.equal(fieldText(null, { type: "int64" }), "");
  assert.equal(fieldText(true, { type: "bool" }), "yes");
  assert.equal(fieldText(1_500_000_000, { type: "int64", unit: "ns" }), "1.5 s");
  assert.equal(fieldText(250, { type: "int64", unit: "ms" }), "250 ms");
  assert.equal(fieldText(2500, { type: "int64", unit: "bytes" }), "2.50 kB");
  assert.equal(fieldText({ a: "1" }, { type: "map<string,string>" }), '{"a":"1"}');
  assert.equal(fieldText(0.123456789, { type: "double" }), "0.123457");
  assert.equal(fieldText("<b>", undefined), "<b>");
});

test("a column's label is words, with abbreviations as they are written", () => {
  assert.equal(label("session_first_view_url"), "First view URL");
  assert.equal(label("session_id"), "Session ID");
  assert.equal(label("sdk_version"), "SDK version");
  declareLabels([
    { name: "lcp_p75", label: "LCP, 75th percentile" },
    { name: "os", label: "" },
  ]);
  assert.deepEqual([label("lcp_p75"), label("os")], ["LCP, 75th percentile", "OS"]);
});

test("one is one, all else is many", () => {
  for (const [number, text] of [
    [0, "0 errors"],
    [1, "1 error"],
    [2, "2 errors"],
  ]) {
    assert.equal(counted(number, "error"), text);
  }
});

test("only http and https addresses become links", () => {
  assert.equal(webAddress("https://shop.test/a"), "https://shop.test/a");
  for (const text of ["javascript:alert(1)", "data:text/html,x", "/path", "", null]) assert.equal(webAddress(text), null);
});
