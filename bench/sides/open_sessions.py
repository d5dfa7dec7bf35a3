"""Open sessions held in memory: the job's session state, or what a plain dictionary would take."""

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from bench.spent import charged, memory_bytes
from flows.process_memory import settle_memory
from operators.windows.rules import WindowRules
from operators.windows.tracker import Arrival, SessionTracker
from schemas.items import Family, Item, Kind
from schemas.units import US_PER_MS
from sinks.session_journal import SessionJournal

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
    """Memory per session; then what saving them costs."""
    settle_memory()
    trackers = [SessionTracker(WindowRules()) for _ in range(_PARTITIONS)]
    gc.collect()
    before = memory_bytes("VmRSS")
    _feed(trackers, _items(arguments), seq=1)
    gc.collect()
    held = memory_bytes("VmRSS") - before
    assert sum(tracker.open_count for tracker in trackers) == arguments.sessions
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
        return {"held_bytes": held, **_saved(trackers, Path(folder), arguments.sessions)}


def _saved(trackers: list[SessionTracker], folder: Path, sessions: int) -> Mapping[str, float]:
    """Seconds to save everything; then one epoch's changes, an item in every tenth session; to restore both."""
    journals = [SessionJournal(folder, f"{number:04d}", None) for number in range(len(trackers))]
    began = time.perf_counter()
    for journal, tracker in zip(journals, trackers, strict=True):
        journal.save(tracker)
    all_saved = time.perf_counter()
    everything = sum(path.stat().st_size for path in folder.iterdir())
    busy = _Arguments(how="", sessions=sessions // 10, lines=1, segments=0)
    _feed(trackers, _items(busy), seq=2)
    fed = time.perf_counter()
    places = [journal.save(tracker) for journal, tracker in zip(journals, trackers, strict=True)]
    saved = time.perf_counter()
    changed = sum(path.stat().st_size for path in folder.iterdir()) - everything
    peak = memory_bytes("VmHWM")
    for number, place in enumerate(places):
        journal = SessionJournal(folder, f"{number:04d}", place)
        restored = SessionTracker(WindowRules(), saved=journal.records())
        assert restored.open_count == trackers[number].open_count
    return {
        "everything_bytes": everything,
        "everything_seconds": all_saved - began,
        "changes_bytes": changed,
        "changes_seconds": saved - fed,
        "peak_bytes": peak,
        "restore_seconds": time.perf_counter() - saved,
    }


def _feed(trackers: list[SessionTracker], items: Iterator[Item], seq: int) -> None:
    shares: list[list[Arrival]] = [[] for _ in trackers]
    for number, item in enumerate(items, 1):
        shares[item.ident >> 16 & _PARTITIONS - 1].append(Arrival(item.received_ms, "rum", 0, number, item))
        if number % (_BATCH * _PARTITIONS) == 0:
            _apply(trackers, shares, seq, item.received_ms)
    _apply(trackers, shares, seq, _START_MS)


def _apply(trackers: list[SessionTracker], shares: list[list[Arrival]], seq: int, clock_ms: int) -> None:
    for tracker, share in zip(trackers, shares, strict=True):
        tracker.apply(seq, clock_ms, share)
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
