"""Generated sessions with gaps and lengths at the limits: order, batches, copies and restarts change nothing."""

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from operators.windows.memos import MemoLimits
from operators.windows.rules import WindowRules
from operators.windows.state import decode_record
from operators.windows.tracker import Arrival, CloseOrder, SessionTracker, unpack_moments
from schemas.items import Item, Kind
from schemas.units import MS_PER_HOUR, MS_PER_MINUTE

RULES = WindowRules()
GAPS_MS = [1, 1000, 14 * MS_PER_MINUTE + 59_999, 15 * MS_PER_MINUTE, 15 * MS_PER_MINUTE + 1, MS_PER_HOUR]
LENGTHS_MS = [0, 5, 14 * MS_PER_MINUTE + 59_999, 15 * MS_PER_MINUTE, 4 * MS_PER_HOUR - 1, 4 * MS_PER_HOUR]
MEMO = MemoLimits()

Result = list[tuple[str, int, int, int, str, frozenset[int]]]


@st.composite
def sessions(draw: st.DrawFn) -> list[Item]:
    """Items of two sessions. Each is received when it ends, as from a healthy browser."""
    items: list[Item] = []
    for name in ("a", "b"):
        at_ms = draw(st.integers(10**6, 10**6 + 1000)) * 1000
        clock_off_ms = draw(st.sampled_from([0, 365 * 24 * MS_PER_HOUR]))
        for _ in range(draw(st.integers(1, 8))):
            at_ms += draw(st.sampled_from(GAPS_MS))
            length_ms = draw(st.sampled_from(LENGTHS_MS)) if draw(st.integers(0, 4)) == 0 else 0
            kind = draw(st.sampled_from([Kind.VIEW, Kind.ACTION, Kind.SEGMENT]))
            ends = kind == Kind.VIEW and draw(st.integers(0, 9)) == 0
            opens = not ends and (kind != Kind.SEGMENT or draw(st.booleans()))
            begin_us = (at_ms + clock_off_ms) * 1000
            items.append(
                Item("app", name, kind, 0, begin_us, begin_us + length_ms * 1000, at_ms + length_ms, len(items) + 1,
                     opens, ends, b"")
            )  # fmt: skip
    return sorted(items, key=lambda item: item.received_ms)


def close_all(items: list[Item], cuts: list[int], *, restart: bool = False, memo: MemoLimits = MEMO) -> Result:
    tracker = SessionTracker(RULES, memo)
    saved = list(tracker.everything())
    orders: list[CloseOrder] = []
    clock_ms = 0
    edges = [0, *sorted({cut % (len(items) + 1) for cut in cuts}), len(items)]
    for seq, (start, end) in enumerate(pairwise(edges)):
        arrivals = []
        for item in items[start:end]:
            clock_ms = max(clock_ms, item.received_ms)
            arrivals.append(Arrival(clock_ms, "rum", 0, 0, item))
        orders += tracker.apply(seq, clock_ms, arrivals).orders
        if restart:
            saved.append(tracker.changes())
            tracker = SessionTracker(RULES, memo, saved)
    orders += tracker.drain().orders
    return sorted(
        (
            order.session_id,
            order.part,
            order.start_us,
            order.end_us,
            f"{order.revision} {order.reason}",
            frozenset(moment.ident for moment in unpack_moments(order.moments + order.new_moments)),
        )
        for order in orders
    )


@given(items=sessions(), cuts=st.lists(st.integers(0, 40), max_size=6))
def test_batches_and_restarts_change_nothing(items: list[Item], cuts: list[int]) -> None:
    assert close_all(items, cuts, restart=True) == close_all(items, [])


@given(items=sessions(), data=st.data())
def test_order_within_the_lateness_and_copies_change_nothing(items: list[Item], data: st.DataObject) -> None:
    half_ms = RULES.lateness_ms // 2
    moved = [(item.received_ms + data.draw(st.integers(-half_ms, half_ms)), item) for item in items * 2]
    shuffled = [item for _, item in sorted(moved, key=lambda pair: pair[0])]
    assert close_all(shuffled, [3, 7]) == close_all(items, [])


@given(items=sessions())
def test_every_item_is_in_exactly_one_window_of_its_session(items: list[Item]) -> None:
    latest: dict[tuple[str, int], frozenset[int]] = {}
    for session_id, part, _, _, _, idents in close_all(items, []):
        known = latest.get((session_id, part), frozenset())
        latest[session_id, part] = known | idents
    found = [ident for idents in latest.values() for ident in idents]
    assert sorted(found) == sorted(item.ident for item in items)


@given(items=sessions())
def test_no_window_is_as_long_as_the_cap(items: list[Item]) -> None:
    for _, _, start_us, end_us, _, _ in close_all(items, []):
        assert 0 <= end_us - start_us < 4 * MS_PER_HOUR * 1000


@given(items=sessions(), cuts=st.lists(st.integers(0, 40), max_size=6), size=st.sampled_from([1, 500, 900, 1500]))
def test_forgetting_does_not_depend_on_batches_and_restarts(items: list[Item], cuts: list[int], size: int) -> None:
    memo = MemoLimits(size_bytes=size)
    assert close_all(items, cuts, restart=True, memo=memo) == close_all(items, [], memo=memo)


@given(items=sessions(), size=st.sampled_from([1, 500, 900, 1500]), age_ms=st.sampled_from([0, MS_PER_HOUR]))
def test_forgetting_loses_no_item_and_repeats_no_revision(items: list[Item], size: int, age_ms: int) -> None:
    closed = close_all(items, [5], memo=MemoLimits(age_ms=age_ms, size_bytes=size))
    revisions = [(session_id, part, reason.split()[0]) for session_id, part, _, _, reason, _ in closed]
    assert len(revisions) == len(set(revisions))
    latest: dict[tuple[str, int], frozenset[int]] = {}
    for session_id, part, _, _, _, idents in closed:
        latest[session_id, part] = latest.get((session_id, part), frozenset()) | idents
    assert sorted(ident for idents in latest.values() for ident in idents) == sorted(item.ident for item in items)


@given(items=sessions(), cuts=st.lists(st.integers(0, 40), max_size=6), size=st.sampled_from([1, 900, 1500, 10_000]))
def test_changes_add_up_to_everything(items: list[Item], cuts: list[int], size: int) -> None:
    """Saved as changes all the way, or as everything at the end: the same state, its memos in the same order."""
    memo = MemoLimits(size_bytes=size, forgotten=3)
    tracker = SessionTracker(RULES, memo)
    saved = list(tracker.everything())
    edges = [0, *sorted({cut % (len(items) + 1) for cut in cuts}), len(items)]
    for seq, (start, end) in enumerate(pairwise(edges)):
        for item in items[start:end]:
            tracker.apply(seq, item.received_ms, [Arrival(item.received_ms, "rum", 0, 0, item)])
        saved.append(tracker.changes())
    again = SessionTracker(RULES, memo, saved)
    assert (again.open_count, again.memo_bytes) == (tracker.open_count, tracker.memo_bytes)
    assert _content(again) == _content(tracker)
    assert again.drain() == tracker.drain()


def _content(tracker: SessionTracker) -> list[object]:
    """Everything, the sessions that are no memos in a fixed order."""
    first, *rest = [decode_record(record) for record in tracker.everything()]
    sessions = [pair for record in rest for pair in record.whole]
    open_ones = sorted((key, repr(session)) for key, session in sessions if session.pending)
    return [first, open_ones, [(key, repr(session)) for key, session in sessions if not session.pending]]


class ThoroughTracker(SessionTracker):
    """Looks at a session with the full rules every time."""

    def _is_early(self, *_: object) -> bool:
        return False


@given(items=sessions(), copies=st.lists(st.tuples(st.integers(0, 15), st.integers(-5, 20)), max_size=5))
def test_the_short_look_at_a_session_that_goes_on_changes_nothing(
    items: list[Item], copies: list[tuple[int, int]]
) -> None:
    """Neither what is written nor when; with copies that differ, and come in any order."""
    minute_us = MS_PER_MINUTE * 1000
    for position, minutes in copies:
        item = items[position % len(items)]
        end_us = max(item.begin_us, item.end_us + minutes * minute_us)
        items = [*items, msgspec.structs.replace(item, end_us=end_us, received_ms=item.received_ms + minutes * 60_000)]
    items = sorted(items, key=lambda item: item.received_ms)
    outputs = []
    for tracker in (SessionTracker(RULES), ThoroughTracker(RULES)):
        written = []
        clock_ms = 0
        for seq, item in enumerate(items):
            for step in (clock_ms + 1, (clock_ms + item.received_ms) // 2, item.received_ms):  # the clock moves between
                clock_ms = max(clock_ms, min(step, item.received_ms))
                written.append(tracker.apply(seq, clock_ms, []).orders)
            written.append(tracker.apply(seq, clock_ms, [Arrival(clock_ms, "rum", 0, 0, item)]).orders)
        outputs.append([*written, tracker.drain().orders])
    assert outputs[0] == outputs[1]
