// Fields of a session by the groups that the API tells.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inGroups } from "../../viewer/page/app/properties.js";

const FIELDS = new Map([
  ["plan", { group: "User" }],
  ["start", { group: "Session" }],
  ["odd", { group: "More" }],
]);
const GROUPS = ["Session", "User", "More"];

test("fields are in the group that they declare, groups in the order of the API, custom last", () => {
  const found = inGroups({ custom: { tier: "1" }, odd: 2, plan: "pro", start: 3, unknown: 4 }, FIELDS, GROUPS);
  assert.deepEqual(found, [
    ["Session", [["start", 3]]],
    ["User", [["plan", "pro"]]],
    [
      "More",
      [
        ["odd", 2],
        ["unknown", 4],
      ],
    ],
    ["Extended fields", [["custom.tier", "1"]]],
  ]);
});

test("what has no value is left out, and a group without fields too", () => {
  assert.deepEqual(inGroups({ custom: null, odd: "", plan: null, start: 0 }, FIELDS, GROUPS), [["Session", [["start", 0]]]]);
});
