// The address holds the page's state: what is written is what is read back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { explorerAddress, explorerState, isForBrowser, nothingChosen, sessionAddress, sessionState, splitPair, TABLES } from "../../viewer/page/app/address.js";

const read = (address, reader) => reader(new URL(address, "http://x").searchParams);
const NOTHING = read("/", explorerState);

test("what is usual leaves no trace in the address", () => {
  assert.equal(explorerAddress(NOTHING), "/");
  assert.equal(NOTHING.sort, "-start");
});

test("the explorer's state comes back from its address, whatever is in it", () => {
  const state = {
    ...NOTHING,
    app: "a&b=c",
    from: "1",
    to: "2",
    q: "päth ?x#y",
    is: ["browser:Chrome", "version:1:2"],
    not: ["env:test"],
    gt: ["time_spent:5"],
    lt: ["time_spent:9"],
    between: ["time_spent:5,9"],
    has: ["errors.error_type:a,b:c"],
    hasnot: ["views.view_path:/cart?x"],
    every: "60",
    entry: "e/1",
    of: "s&1",
    sort: "time_spent",
    cursor: "c/+=",
    limit: 20,
    columns: ["start", "custom.a"],
  };
  assert.deepEqual(read(explorerAddress(state), explorerState), state);
});

test("an address names its list; one without a name, or with a wrong one, is the sessions'", () => {
  for (const table of [...TABLES, "overview", "groups"]) assert.equal(read(explorerAddress(nothingChosen(table)), explorerState).table, table);
  assert.equal(read("/?table=none", explorerState).table, "sessions");
  assert.equal(read("/?table=errors", explorerState).sort, "-time");
  assert.equal(explorerAddress(nothingChosen("errors")), "/?table=errors");
});

test("a limit is a whole number from 0 to 500", () => {
  for (const [text, limit] of [
    ["499.9", 499],
    ["500", 500],
    ["501", 500],
    ["-1", 0],
    ["x", 0],
    ["Infinity", 500],
  ]) {
    assert.equal(read(`/?limit=${text}`, explorerState).limit, limit);
  }
});

test("a session's state comes back from its address", () => {
  const state = { app: "shop", id: "a/b c", part: 0, tab: "replay", track: 1, t: 12.5, at: 1795230111000.5, exp: "9", sig: "s" };
  assert.deepEqual(read(sessionAddress(state), sessionState), state);
});

test("an address without a session is the explorer's, and odd numbers in it are none", () => {
  assert.equal(read("/?app=x", sessionState), null);
  const { part, t } = read("/?session=s&part=-1&t=1e9", sessionState);
  assert.deepEqual([part, t], [null, null]);
});

test("a pair is split at its first colon", () => {
  assert.deepEqual(splitPair("url:http://a"), ["url", "http://a"]);
  assert.deepEqual(splitPair("none"), ["none", ""]);
});

test("a click with a key, or not with the first button, stays with the browser", () => {
  const click = { ctrlKey: false, metaKey: false, shiftKey: false, button: 0 };
  assert.equal(isForBrowser(click), false);
  for (const other of [{ ctrlKey: true }, { metaKey: true }, { shiftKey: true }, { button: 1 }]) assert.equal(isForBrowser({ ...click, ...other }), true);
});
