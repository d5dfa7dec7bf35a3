"""Whatever happens to one part of an envelope, the other parts are read as if nothing had been."""

import json
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from schemas.items import Item
from tests.unit.envelopes import REPLAY, START_S, TRACE, Json, batch, decoded, envelope, event, replay, span

LOG = {"timestamp": START_S, "level": "info", "body": "x", "trace_id": TRACE, "attributes": {}}
PARTS: list[tuple[Json, bytes | Json]] = [
    event(),
    *replay(),
    batch("span", span("pageload"), span("http.client") | {"span_id": "2"}),
    batch("log", LOG),
    event(event_id="another"),
]
WHOLE = envelope(*PARTS, event_id=REPLAY, trace={"replay_id": REPLAY})
LINES = WHOLE.split(b"\n")


def idents(body: bytes) -> set[int]:
    return {one.ident for one in decoded(body) if isinstance(one, Item)}


ALL = idents(WHOLE)


@given(st.integers(0, len(WHOLE)))
def test_a_cut_costs_what_is_behind_it(length: int) -> None:
    found = idents(WHOLE[:length])
    assert found <= ALL
    whole_lines = sum(len(line) + 1 for line in LINES[:3])
    if length >= whole_lines:
        assert idents(envelope(event())) <= found


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=1))
def test_a_wrong_byte_costs_at_most_two_items(place: int, byte: bytes) -> None:
    """Where it is the line end between two items, it is a part of both."""
    body = WHOLE[:place] + byte + WHOLE[place + 1 :]
    if place < len(LINES[0]):  # the envelope's own header, which names the replay of what does not
        return
    lost = ALL - idents(body)
    assert len(lost) <= 4  # an item with two spans, and a neighbour


@given(st.integers(1, len(LINES) - 1))
def test_a_lost_line_costs_its_item(number: int) -> None:
    body = b"\n".join(LINES[:number] + LINES[number + 1 :])
    assert len(ALL - idents(body)) <= 3


def nulls(value: object) -> list[tuple[object, ...]]:
    """The place of every member of a JSON value."""
    found: list[tuple[object, ...]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        found += [(name,), *((name, *rest) for rest in nulls(inner))]
    return found


def with_null(value: object, place: tuple[object, ...]) -> object:
    if not place:
        return None
    first, *rest = place
    if isinstance(value, dict):
        return {name: with_null(inner, tuple(rest)) if name == first else inner for name, inner in value.items()}
    assert isinstance(value, list)
    return [with_null(inner, tuple(rest)) if number == first else inner for number, inner in enumerate(value)]


JSON_PARTS = [number for number, (_, payload) in enumerate(PARTS) if isinstance(payload, dict)]
PLACES = [(number, place) for number in JSON_PARTS for place in nulls(PARTS[number][1])]


@given(st.sampled_from(PLACES))
def test_a_null_costs_its_item_at_most(at: tuple[int, tuple[object, ...]]) -> None:
    number, place = at
    item_header, payload = PARTS[number]
    changed = (item_header, with_null(payload, place))
    parts = [*PARTS[:number], changed, *PARTS[number + 1 :]]
    body = envelope(*parts, event_id=REPLAY, trace={"replay_id": REPLAY})  # type: ignore[arg-type] # null anywhere
    others = [*PARTS[:number], *PARTS[number + 1 :]]
    kept = idents(envelope(*others, event_id=REPLAY, trace={"replay_id": REPLAY}))
    assert kept - segment_idents(body) <= idents(body) | segment_idents(envelope(*others, event_id=REPLAY))
    assert decoded(body)  # it has an end, whatever it is


def segment_idents(body: bytes) -> set[int]:
    """A segment takes its number and times from both of its parts."""
    return {one.ident for one in decoded(body) if isinstance(one, Item) and one.segment is not None}


def test_the_builder_makes_what_the_tests_are_about() -> None:
    assert len(ALL) == 7
    read: Callable[[bytes], Json] = json.loads
    assert read(LINES[0])["trace"]["replay_id"] == REPLAY
