"""Made-up visits with everything the session rules speak of: pauses at the limit, days without a break, sleep, ends.

A visit is a list of events on the client's clock, in no wire format; `wire.py` writes them as an SDK would.
"""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

START_MS = 1_795_000_000_000  # 18 November 2026: fixed, so that a run can be repeated
SECOND_MS, MINUTE_MS, HOUR_MS = 1000, 60_000, 3_600_000
GAP_MS = 15 * MINUTE_MS
SPAN_HOURS = 30
_STEPS_MS = (  # (weight, shortest, longest): from one thing that happens to the next
    (60, 5, 8 * SECOND_MS),
    (30, SECOND_MS, 90 * SECOND_MS),
    (6, 2 * MINUTE_MS, 13 * MINUTE_MS),
    (2, GAP_MS - 2, GAP_MS + 2),
    (1, 16 * MINUTE_MS, 70 * MINUTE_MS),
)
_FRUSTRATIONS = ("rage_click", "dead_click", "error_click")
_PATHS = ("/", "/cart", "/item/17", "/item/4711?color=red&size=XL%20tall", "/#/route/9?tab=a", "/help?q=a+b&empty")
_ERRORS = (
    ("TypeError", "x is null", "TypeError: x is null\n  at add @ https://s.example/main.4f3a9c21.js:1:2"),
    ("TypeError", "x is null", "TypeError: x is null\n  at add @ https://s.example/main.99bb01ff.js:7:9"),
    ("Error", 'cannot load "item 17" \\ now', "Error: m\n    at async go (https://s.example/a/b.js:1:2)\n    at run"),
    ("Error", "GET https://api.example/v1/items/4711?x=1 failed with 404", ""),
)


class Event(NamedTuple):
    """`sent_ms`: when the client sends it. `more`: what depends on the kind."""

    kind: str
    at_ms: int
    span_ns: int
    sent_ms: int
    view: int
    url: str
    more: dict[str, Any]


class _View(NamedTuple):
    """The page that is shown. `sent`: states of it so far."""

    number: int
    url: str
    began_ms: int
    sent: int


class Visit(NamedTuple):
    """`offset_ms`: the client's clock ahead of the receiver's. `events` in the order in which they are sent."""

    number: int
    dialect: str
    offset_ms: int
    has_replay: bool
    events: list[Event]


def visits(count: int, seed: int) -> Iterator[Visit]:
    """That many visits, the same for the same numbers."""
    for number in range(count):
        dice = random.Random(seed * 1_000_003 + number)
        dialect = ("guance-lines", "guance-json", "datadog", "posthog")[number % 4]
        offset_ms = dice.choice([0] * 7 + [-40 * SECOND_MS, 7 * MINUTE_MS, 365 * 24 * HOUR_MS])
        start_ms = START_MS + dice.randrange(SPAN_HOURS * HOUR_MS) + offset_ms
        yield Visit(number, dialect, offset_ms, dice.random() < 0.5, _events(dice, dialect, start_ms))


def _events(dice: random.Random, dialect: str, start_ms: int) -> list[Event]:
    is_long = dice.random() < 0.03  # used for longer than the limit of 4 hours
    count = dice.randrange(40, 80) if is_long else min(60, 1 + int(dice.expovariate(1 / 12)))
    found: list[Event] = []
    at_ms, view = start_ms, _View(-1, "", start_ms, 0)
    for _ in range(count):
        at_ms += dice.randrange(2 * MINUTE_MS, 14 * MINUTE_MS) if is_long else _step_ms(dice)
        if view.number < 0 or dice.random() < 0.15:
            view = _View(view.number + 1, dice.choice(_PATHS), at_ms, 0)
            found.append(_state(dice, at_ms, view))
            continue
        kind = dice.choices(("view", "action", "error", "resource", "long_task", "segment"), (20, 20, 6, 30, 8, 16))[0]
        if kind == "view":
            view = view._replace(sent=view.sent + 1)
            found.append(_state(dice, at_ms, view))
        else:
            found.append(_happening(dice, kind, at_ms, view))
    if dialect != "posthog":
        found += _farewell(dice, at_ms, view._replace(sent=view.sent + 1))
    return found


def _step_ms(dice: random.Random) -> int:
    _, low, high = dice.choices(_STEPS_MS, [weight for weight, *_ in _STEPS_MS])[0]
    return dice.randrange(low, high + 1)


def _state(dice: random.Random, at_ms: int, view: _View) -> Event:
    more: dict[str, Any] = {"sent": view.sent, "counts": [dice.randrange(4) + view.sent for _ in range(4)]}
    if view.sent and dice.random() < 0.7:
        more["vitals"] = (dice.randrange(1, 6000) * 1_000_000, dice.randrange(8, 900) * 1_000_000, dice.random())
    if dice.random() < 0.3:
        more["segments"] = dice.randrange(6)
    return Event("view", view.began_ms, (at_ms - view.began_ms) * 1_000_000, at_ms, view.number, view.url, more)


def _happening(dice: random.Random, kind: str, at_ms: int, view: _View) -> Event:
    span_ns, more = 0, dict[str, Any]()
    if kind == "action":
        if dice.random() < 0.6:
            span_ns = dice.randrange(3_000_000_000)
        more["frustrations"] = [name for name in _FRUSTRATIONS if dice.random() < 0.1]
        more["is_custom"] = dice.random() < 0.1
    elif kind == "resource":
        span_ns = dice.choice(
            [200_000_000, 1_000_000_000, 1_000_000_001, 9_000_000_000, dice.randrange(60_000_000_000)]
        )
        if dice.random() < 0.02:
            span_ns = dice.randrange(20 * MINUTE_MS) * 1_000_000  # a long poll
        more["has_id"] = dice.random() < 0.95
    elif kind == "long_task":
        span_ns = dice.randrange(50_000_000, 2_000_000_000)
    elif kind == "error":
        more["error"] = dice.choice(_ERRORS)
    else:
        more["length_ms"] = dice.choice([0, 900, 5000, 30_000])
        more["has_snapshot"] = dice.random() < 0.4
        more["skipped"] = dice.random() < 0.1
        span_ns = more["length_ms"] * 1_000_000
    if kind == "resource":  # known when it is over
        return Event(kind, at_ms - span_ns // 1_000_000, span_ns, at_ms, view.number, view.url, more)
    return Event(kind, at_ms, span_ns, at_ms + span_ns // 1_000_000, view.number, view.url, more)


def _farewell(dice: random.Random, at_ms: int, view: _View) -> Iterator[Event]:
    """How the SDK says that it is over, if it does: at once, or hours later when the machine wakes."""
    luck = dice.random()
    if luck < 0.2:
        last = _state(dice, at_ms + 50, view)
        yield last._replace(more=last.more | {"ends": True})
    elif luck < 0.27:
        last = _state(dice, at_ms + dice.randrange(GAP_MS, 3 * HOUR_MS), view)
        yield last._replace(more=last.more | {"ends": dice.random() < 0.5})
