"""Open sessions held in memory: the job's session state, or what a plain dictionary would take."""

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import msgspec

from bench.spent import charged, memory_bytes
from operators.sessions import Arrival, SessionTracker
from operators.windows import WindowRules
from schemas.items import Family, Item, Kind
from schemas.units import US_PER_MS

_START_MS = 1_795_000_000_000
_PARTITIONS = 4
_BATCH = 100  # arrivals of a shard at a time: what is on its way must not count


class _Arguments(msgspec.Struct):
    how: str
    sessions: int
    lines: int
    segments: int


def _items(arguments: _Arguments) -> Iterator[Item]:
    """Every session's items, the sessions interleaved, each item half a second of receive time after the last."""
    per_session = arguments.lines + arguments.segments
    for turn in range(per_session):
        kind = Kind.SEGMENT if turn >= arguments.lines else Kind.RESOURCE
        begin_ms = _START_MS + turn * 500
        for number in range(arguments.sessions):
            yield Item(
                app_id="app-0001",
                session_id=f"00000001-0000-4000-8000-{number:012x}",
                kind=kind,
                family=Family.GUANCE,
                begin_us=begin_ms * US_PER_MS,
                end_us=begin_ms * US_PER_MS,
                received_ms=begin_ms,
                ident=number << 16 | turn,
                opens=True,
                ends=False,
                body=b"",
            )


def _tracked(arguments: _Arguments) -> Mapping[str, float]:
    """Memory per session; then what a snapshot of everything costs, which the engine takes at every epoch."""
    trackers = [SessionTracker(WindowRules()) for _ in range(_PARTITIONS)]
    gc.collect()
    before = memory_bytes("VmRSS")
    shares: list[list[Arrival]] = [[] for _ in trackers]
    for number, item in enumerate(_items(arguments), 1):
        shares[item.ident >> 16 & _PARTITIONS - 1].append(Arrival(item.received_ms, "rum", number, item))
        if number % (_BATCH * _PARTITIONS) == 0:
            _apply(trackers, shares, item.received_ms)
    _apply(trackers, shares, _START_MS)
    gc.collect()
    held = memory_bytes("VmRSS") - before
    assert sum(tracker.open_count for tracker in trackers) == arguments.sessions
    began = time.perf_counter()
    states = [tracker.snapshot() for tracker in trackers]
    snapped = time.perf_counter()
    restored = [SessionTracker(WindowRules(), state=state) for state in states]
    ended = time.perf_counter()
    assert sum(tracker.open_count for tracker in restored) == arguments.sessions
    return {
        "held_bytes": held,
        "snapshot_bytes": sum(map(len, states)),
        "snapshot_seconds": snapped - began,
        "restore_seconds": ended - snapped,
    }


def _apply(trackers: list[SessionTracker], shares: list[list[Arrival]], clock_ms: int) -> None:
    for tracker, share in zip(trackers, shares, strict=True):
        tracker.apply(1, clock_ms, share)
        share.clear()


def _dictionary(arguments: _Arguments) -> Mapping[str, float]:
    sessions: dict[tuple[str, str], list[int]] = {}
    gc.collect()
    before = memory_bytes("VmRSS")
    for item in _items(arguments):
        found = sessions.setdefault((item.app_id, item.session_id), [item.begin_us, item.end_us, 0])
        found[0], found[1], found[2] = min(found[0], item.begin_us), max(found[1], item.end_us), found[2] + 1
    gc.collect()
    return {"held_bytes": memory_bytes("VmRSS") - before}


_HOW: dict[str, Callable[[_Arguments], Mapping[str, float]]] = {"tracker": _tracked, "dictionary": _dictionary}


def main() -> None:
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)
    charged(lambda: (arguments.sessions, _HOW[arguments.how](arguments)))


if __name__ == "__main__":
    main()
