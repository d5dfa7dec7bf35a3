"""Error groups: what belongs together has one fingerprint, what does not has another; and it never changes."""

import time

import pytest

from operators.rows.error_groups import fingerprint, group_text

STACK = """TypeError: x is null
  at Cart.add @ https://shop.example/assets/main.4f3a9c21.js:12:345
  at async load @ https://shop.example/assets/index-DQXwYzAb.js:1:2
  at HTMLButtonElement.<anonymous> @ https://shop.example/item/17?x=1#top:27:24
  at deeper @ https://shop.example/app.js:1:1"""


def test_the_text_of_a_group_is_as_documented() -> None:
    assert group_text("TypeError", "x is null", STACK).split("\n") == [
        "TypeError",
        "x is null",
        "Cart.add /assets/main#.js",
        "load /assets/index#.js",
        "HTMLButtonElement.<anonymous> /item/#",
    ]


def test_a_fingerprint_never_changes() -> None:
    """Readers store them: another value is another format."""
    assert fingerprint("TypeError", "x is null", STACK) == "2e8c738627566b76"
    assert fingerprint(None, None, None) == "384868fba0c21fdc"


@pytest.mark.parametrize(
    ("message", "other"),
    [
        ("item 17 not found", "item 4711 not found"),
        ("no user 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "no user aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
        ("GET https://a.example/x/7?q=1 failed", "GET http://b.example:81/x/8 failed"),
        ("mail ann@x.example", "mail bob.b@mail.example"),
        ("commit 1a2b3c4", "commit 99ff00aa11"),
        ("line one\n  two", " line one two "),
        ("took 1.5 s", "took 12,000 s"),
    ],
)
def test_messages_that_differ_by_ids_addresses_or_space_are_one_group(message: str, other: str) -> None:
    assert fingerprint("Error", message, "") == fingerprint("Error", other, "")


@pytest.mark.parametrize(
    ("message", "other"),
    [
        ("Cannot read properties of null (reading 'foo')", "Cannot read properties of null (reading 'bar')"),
        ("GET https://a.example/cart failed", "GET https://a.example/pay failed"),
        ("x is null", "X is null"),
    ],
)
def test_messages_that_say_something_else_are_another_group(message: str, other: str) -> None:
    assert fingerprint("Error", message, "") != fingerprint("Error", other, "")


@pytest.mark.parametrize(
    "stack",
    [
        "Error: m\n  at go @ https://a.example/x.js:1:2",
        "Error: m\n    at go (https://b.example/x.js?v=3:77:9)",
        "go@https://a.example/x.js:1:2\n",
        "Error: m\n    at async go (http://a.example:8080/x.js:1:2)",
        "Error: m\n    at go [as handler] (https://a.example/x.js:1:2)",
    ],
)
def test_every_browser_writes_the_same_frame_in_its_own_way(stack: str) -> None:
    assert group_text("Error", "m", stack) == "Error\nm\ngo /x.js"


def test_the_place_counts_and_the_callers_do_not() -> None:
    def stack(*names: str) -> str:
        return "\n".join(f"  at {name} @ https://a.example/x.js:1:2" for name in names)

    one = fingerprint("Error", "m", stack("a", "b", "c", "d"))
    assert fingerprint("Error", "m", stack("a", "b", "c", "e")) == one
    assert fingerprint("Error", "m", stack("z", "b", "c", "d")) != one


def test_a_hostile_stack_costs_little() -> None:
    begin = time.process_time()
    for line in ("at " + "a@:1" * 120 + " x", "at " + "@ " * 240 + "x y", "at" + " " * 490 + "x", "a:1" * 160):
        group_text("T", line * 100, "\n".join([line] * 10_000))
    assert time.process_time() - begin < 2
