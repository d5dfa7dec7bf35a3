// Times in a zone that was chosen: what its clocks show, and the moment that is meant by what they show.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLocal, localText, offset } from "../../viewer/page/app/zone.js";

const HOUR = 3_600_000;
const at = (text) => Date.parse(text);

test("the clocks of a zone are ahead or behind, by minutes too, in summer and winter", () => {
  assert.equal(offset(at("2026-01-15T12:00:00Z"), "Europe/Berlin"), HOUR);
  assert.equal(offset(at("2026-07-15T12:00:00Z"), "Europe/Berlin"), 2 * HOUR);
  assert.equal(offset(at("2026-01-15T12:00:00.750Z"), "Asia/Kathmandu"), 5.75 * HOUR);
  assert.equal(offset(at("2026-01-15T12:00:00Z"), "America/St_Johns"), -3.5 * HOUR);
  assert.equal(offset(at("2026-01-15T12:00:00Z"), "UTC"), 0);
});

test("what a field shows is written back as the same moment", () => {
  for (const zone of ["UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"]) {
    for (const text of ["2026-01-15T12:00:00Z", "2026-07-15T23:59:59Z", "2026-03-29T00:30:00Z", "2026-10-24T22:30:00Z", "2026-12-31T23:30:00Z"]) assert.equal(fromLocal(localText(at(text), zone), zone), at(text), `${zone} ${text}`);
  }
});

test("an hour that comes twice is its first, one that is left out is the next", () => {
  assert.equal(fromLocal("2026-10-25T02:30:00", "Europe/Berlin"), at("2026-10-25T00:30:00Z"));
  assert.equal(fromLocal("2026-03-29T02:30:00", "Europe/Berlin"), at("2026-03-29T01:30:00Z"));
});

test("a day is its first moment, a time with a zone of its own is that, and other text is none", () => {
  assert.equal(fromLocal("2026-01-31", "Asia/Shanghai"), at("2026-01-30T16:00:00Z"));
  assert.equal(fromLocal("2026-01-31 14:00", "Asia/Shanghai"), at("2026-01-31T06:00:00Z"));
  assert.equal(fromLocal("2026-01-31T14:00:00Z", "Asia/Shanghai"), at("2026-01-31T14:00:00Z"));
  assert.equal(fromLocal("2026-01-31T14:00+02:00", "Asia/Shanghai"), at("2026-01-31T12:00:00Z"));
  assert.ok(Number.isNaN(fromLocal("yesterday", "UTC")));
});
