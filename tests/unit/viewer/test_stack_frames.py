"""Frames of stacks as browsers and SDKs write them."""

import pytest

from viewer.stack_frames import FRAMES_MAX, frames

AT = "https://shop.example/static/app.4f3a.js"


@pytest.mark.parametrize(
    ("line", "function"),
    [
        (f"    at Checkout.pay ({AT}:1:2345)", "Checkout.pay"),
        (f"    at async pay ({AT}:1:2345)", "pay"),
        (f"    at new Cart ({AT}:1:2345)", "Cart"),
        (f"    at Object.pay [as onClick] ({AT}:1:2345)", "Object.pay [as onClick]"),
        (f"    at {AT}:1:2345", ""),
        (f"  at pay @ {AT}:1:2345", "pay"),
        (f"  at <anonymous> @ {AT}:1:2345", ""),
        (f"pay@{AT}:1:2345", "pay"),
        (f"@{AT}:1:2345", ""),
    ],
)
def test_a_frame_of_any_browser_has_a_name_and_a_place(line: str, function: str) -> None:
    (found,) = frames(f"TypeError: no\n{line}")
    assert (found.function, found.file, found.line, found.column) == (function, AT, 1, 2345)
    assert found.path == "static/app.4f3a.js"
    assert found.text == line.strip()


def test_what_is_no_frame_is_left_out() -> None:
    text = (
        "Error: see https://x.example/a\nat nowhere\nat a (<anonymous>)\n\nmail@example.com\nat " + "x" * 2000 + ":1:2"
    )
    assert frames(text) == []


@pytest.mark.parametrize(
    "file", ["chrome-extension://abc/a.js", "webpack-internal:///./a.js", "http://[bad/a.js", "a.js"]
)
def test_what_is_not_of_a_site_has_no_path(file: str) -> None:
    (found,) = frames(f"at pay ({file}:3:4)")
    assert found.path == ""


def test_the_path_is_decoded_and_has_no_query() -> None:
    (found,) = frames("at pay (https://shop.example/_next/%5Bid%5D.js?v=1:3:4)")
    assert found.path == "_next/[id].js"


def test_a_stack_has_a_most_of_frames() -> None:
    assert len(frames(f"at a ({AT}:1:2)\n" * (FRAMES_MAX + 1))) == FRAMES_MAX
    assert len(frames(f"at a ({AT}:1:2)\n" * (FRAMES_MAX - 1))) == FRAMES_MAX - 1


@pytest.mark.parametrize(
    "text", ["at " * 20_000, "@" * 60_000, "at " + "(" * 900 + ":1:1", "at a (" * 200 + ":" * 300, "\x00\n" * 5000]
)
def test_hostile_text_takes_no_time(text: str) -> None:
    assert len(frames(text)) <= FRAMES_MAX
