// What a recorded page may do in the player: nothing. Hostile pages in a real browser are in tests/viewer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { neutraliser } from "../../viewer/page/stage/neutral.js";

const element = (tagName, attributes, childNodes = []) => ({ type: 2, id: 7, tagName, attributes, childNodes });
const snapshot = (node, allowed) => neutraliser(allowed)({ type: 2, data: { node } }).data.node;
const kept = (tagName, attributes, allowed) => snapshot(element(tagName, attributes), allowed).attributes;

test("handlers, inner documents and redirects go", () => {
  assert.deepEqual(kept("div", { onclick: "x()", ONLOAD: "x()", srcdoc: "<script>", class: "a" }), { class: "a" });
  assert.deepEqual(kept("meta", { "http-equiv": "refresh", content: "0;url=//evil" }), {});
  assert.deepEqual(kept("iframe", { src: "https://evil.test" }), {});
});

test("scripts and templates lose their content", () => {
  for (const tag of ["script", "noscript", "template", "SCRIPT"]) assert.deepEqual(snapshot(element(tag, {}, [{ type: 3, textContent: "x" }])).childNodes, []);
});

test("links lead nowhere", () => {
  assert.equal(kept("a", { href: "https://evil.test" }).href, "#");
  assert.equal(kept("form", { action: "https://evil.test" }).action, undefined);
});

test("images load from allowed origins only, and a blocked one leaves a mark", () => {
  const address = "https://cdn.test/a.png";
  assert.deepEqual(kept("img", { src: address }, ["https://cdn.test"]), { src: address });
  const blocked = kept("img", { src: address }, ["https://other.test"]);
  assert.match(blocked.src, /^data:image\/gif/);
  assert.equal(blocked["data-not-loaded"], "");
  assert.equal(kept("img", { src: "data:image/png;base64,AA" }).src, "data:image/png;base64,AA");
});

test("styles load nothing, wherever they stand", () => {
  const css = "@import url(https://evil.test/a.css);p{background:url('https://evil.test/b')}";
  const [text] = snapshot(element("style", {}, [{ type: 3, id: 8, textContent: css }])).childNodes;
  assert.equal(text.textContent, "p{background:none}");
  assert.equal(kept("p", { style: "background:url(//evil.test)" }).style, "background:none");
  const rule = { type: 3, data: { source: 8, adds: [{ rule: css }] } };
  assert.equal(neutraliser()(rule).data.adds[0].rule, "p{background:none}");
});

test("a text that is changed later is a style's when its element was one", () => {
  const neutral = neutraliser();
  neutral({ type: 2, data: { node: element("style", {}, [{ type: 3, id: 8, textContent: "" }]) } });
  const change = {
    type: 3,
    data: {
      source: 0,
      texts: [
        { id: 8, value: "a{b:url(//evil.test)}" },
        { id: 9, value: "see url(x)" },
      ],
    },
  };
  assert.deepEqual(
    neutral(change).data.texts.map(({ value }) => value),
    ["a{b:none}", "see url(x)"],
  );
});

test("a page claims a size between one pixel and what a watcher's memory bears", () => {
  for (const [given, size] of [
    [0, 1],
    ["x", 1],
    [16_384, 16_384],
    [16_385, 16_384],
  ]) {
    assert.equal(neutraliser()({ type: 4, data: { width: given, height: 1 } }).data.width, size);
  }
});
