// Chunks of a track on a stage that only writes down what it is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Tape } from "../../viewer/page/app/tape.js";

const CHUNK_MS = 60_000;
const chunks = (count) => Array.from({ length: count }, (_, chunk) => ({ chunk, start_ms: chunk * CHUNK_MS, raw_bytes: 1 }));
const track = (count) => ({ start_ms: 0, end_ms: count * CHUNK_MS, chunks: chunks(count) });

function tapeOf(count, load = async (chunk) => `text ${chunk}`) {
  const calls = [];
  const told = [];
  const stage = { now: 0, time: () => stage.now };
  for (const name of ["open", "add", "pause", "speed", "extend", "close"]) stage[name] = (value) => calls.push([name, value]);
  stage.play = (ms) => {
    stage.now = ms;
  };
  const on = { wait: (waiting) => told.push(waiting), finish: () => told.push("end"), fail: (error) => told.push(error.message), told: () => {} };
  return { tape: new Tape(stage, track(count), { load, texts: new Map(), allowed: [], on }), stage, calls, told };
}

test("the chunk of a moment is the last that begins by then", () => {
  const { tape } = tapeOf(3);
  assert.deepEqual(
    [0, CHUNK_MS - 1, CHUNK_MS, 9 * CHUNK_MS].map((ms) => tape.placeAt(ms)),
    [0, 0, 1, 2],
  );
});

test("a seek opens the chunk of that moment and adds what is near", async () => {
  const { tape, calls } = tapeOf(4);
  await tape.seek(CHUNK_MS + 20_000, true);
  assert.deepEqual(calls.find(([name]) => name === "open")[1].text, "text 1");
  assert.deepEqual(
    calls.filter(([name]) => name === "add").map(([, text]) => text),
    ["text 2"],
  );
  assert.deepEqual(tape.run, { first: 1, last: 2 });
});

test("a moment beyond the track is its nearest end", async () => {
  const { tape } = tapeOf(2);
  await tape.seek(-5, false);
  assert.equal(tape.at, 0);
  await tape.seek(9e9, false);
  assert.equal(tape.at, 2 * CHUNK_MS);
});

test("of two seeks the last one counts, whichever is loaded first", async () => {
  const answers = new Map();
  const { tape, calls } = tapeOf(9, (chunk) => new Promise((resolve) => answers.set(chunk, resolve)));
  const first = tape.seek(0, false);
  const second = tape.seek(8 * CHUNK_MS, false);
  answers.get(8)("last");
  answers.get(0)("first");
  await Promise.all([first, second]);
  assert.deepEqual(
    calls.filter(([name]) => name === "open").map(([, { text }]) => text),
    ["last"],
  );
});

test("a chunk that cannot be loaded is told, and asked for again at the next try", async () => {
  let isAway = true;
  const { tape, told } = tapeOf(1, async () => {
    if (isAway) throw new Error("away");
    return "text";
  });
  await tape.seek(0, true);
  assert.ok(told.includes("away"));
  assert.equal(tape.playing, false);
  isAway = false;
  await tape.seek(0, true);
  assert.deepEqual(tape.run, { first: 0, last: 0 });
});

test("the picture stops at the end of the track, also when records claim more", async () => {
  const { tape, stage, told } = tapeOf(1);
  await tape.seek(0, true);
  stage.now = CHUNK_MS + 5000;
  tape.tick();
  assert.deepEqual([tape.at, tape.playing, told.at(-1)], [CHUNK_MS, false, "end"]);
});
