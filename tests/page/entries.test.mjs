// Rows of a session as one list, and the range of time that the list of sessions begins with.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldOf, head, valueOf } from "../../viewer/page/app/columns.js";
import { isRage, makeEntries } from "../../viewer/page/app/entries.js";
import { moments, usualRange } from "../../viewer/page/app/timerange.js";

const WEEK = 7 * 86_400_000;

test("entries stand in order of time, pages first at one moment", () => {
  const timeline = {
    errors: [
      { time: 5, error_message: "late" },
      { time: 1, error_message: "early" },
    ],
    views: [{ time: 1, view_path: "/" }],
  };
  assert.deepEqual(
    makeEntries(timeline).map(({ title }) => title),
    ["/", "early", "late"],
  );
});

test("without rows of pages the recording says which there were, and with rows it does not", () => {
  const tracks = [{ views: [{ view_id: "v", url: "/a", start_ms: 1000, end_ms: 3000 }] }];
  const [page] = makeEntries({}, tracks);
  assert.deepEqual([page.kind, page.title, page.length], ["view", "/a", 2000]);
  assert.equal(makeEntries({ views: [{ time: 1, view_path: "/" }] }, tracks).length, 1);
});

test("a request has failed from status 400 on, and without an answer", () => {
  const failed = (status) => makeEntries({ resources: [{ time: 1, resource_status: status }] })[0].isFailed;
  assert.deepEqual([399, 400, 500].map(String).map(failed), [false, true, true]);
  assert.equal(failed("0"), true);
});

test("signs of frustration are a list or the JSON text of one; anything else is none", () => {
  const action = (value) => makeEntries({ actions: [{ time: 1, action_frustration_types: value }] })[0];
  assert.equal(isRage(action(["rage_click"])), true);
  assert.equal(isRage(action('["rage_click"]')), true);
  for (const odd of ["{", "{}", null, '["dead_click"]']) assert.equal(isRage(action(odd)), false);
});

test("the user of a row is the best name that is there", () => {
  assert.equal(fieldOf("user", { user_name: "Ann", userid: "7" }), "user_name");
  assert.equal(fieldOf("user", { userid: "7" }), "userid");
  assert.equal(valueOf("custom.plan", { custom: { plan: "gold" } }), "gold");
  assert.equal(head("custom.plan"), "plan");
  assert.equal(head("constructor"), "Constructor");
});

test("the list begins with the last week when it is new and more than a page", () => {
  const now = 10 * WEEK;
  const usual = (last_ms, sessions) => usualRange([{ last_ms, sessions }], now);
  assert.equal(usual(now - WEEK, 51), "7d");
  assert.equal(usual(now - WEEK - 1, 51), "all");
  assert.equal(usual(now - WEEK, 50), "all");
  assert.equal(usualRange([], now), "all");
});

test("a range by name ends now, one of two moments is as given", () => {
  assert.deepEqual(moments({ range: "1h" }, [], 7_200_000), { from: "3600000" });
  assert.deepEqual(moments({ range: "all" }, [], 9), {});
  assert.deepEqual(moments({ range: "1h", from: "", to: "5" }, [], 9), { to: "5" });
});
