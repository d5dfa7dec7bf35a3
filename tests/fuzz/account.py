"""What must hold for any message at all: nothing raises, nothing hangs, and everything in it is accounted for."""

import enum
import json
from collections import Counter

import msgspec

from lake.notes import track_notes
from operators.assemble import assemble, references
from operators.decode import decode, unusable_records
from operators.families.registry import family_of, line_row
from operators.replay.cut import CutLimits, ReplayWindow, cut
from operators.replay.scan import replay_segment, to_line
from operators.rrweb.event import EventType
from operators.rrweb.track import ConversionError, Track
from operators.tracks import one_track, to_rrweb
from operators.windows.rules import WindowRules
from operators.windows.tracker import Arrival, SessionTracker
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Kind, Rejected, RejectReason, Skipped
from schemas.keys import replay_key, safe_segment
from schemas.pack import decode_block, decode_index, encode_pack, index_length
from schemas.units import MIB, utc_day
from sinks.tables import Row, encode_rows
from tests.fuzz.rows_sent import check_rows_sent

LIMITS = Limits(message_bytes=MIB, inflated_bytes=4 * MIB, lines_per_message=1000, id_length=128)
_DETAIL_MAX = 1000


class Depth(enum.Enum):
    """How far a message goes."""

    DECODE = 1  # and the rows of its lines, the blob of its segments
    CLOSE = 2  # through windows, rows, replay blob and Parquet files
    PLAY = 3  # its segments become events of a player, as `export` makes them


def account(message: Message, depth: Depth) -> Counter[str]:
    """Where everything in the message ended. Raises for any message that breaks a promise."""
    results = decode(message, LIMITS)
    assert results, "a message must end somewhere"
    ends: Counter[str] = Counter()
    for one in results:
        if isinstance(one, Rejected):
            assert one.reason != RejectReason.DECODER_FAULT, one.detail
            assert len(one.detail.encode()) <= _DETAIL_MAX, "a reason is a line to read"
            ends[f"quarantine: {one.reason}"] += 1
        elif isinstance(one, Skipped):
            ends[f"skipped: {one.reason}"] += 1
    items = [one for one in results if isinstance(one, Item)]
    msgspec.msgpack.encode(items)  # as a pack holds them: fails for integers beyond 64 bits
    for item in items:
        ends["record refused"] += sum(1 for _ in unusable_records(item, LIMITS))
        assert 0 < len(item.app_id) <= LIMITS.id_length
        assert 0 < len(item.session_id) <= LIMITS.id_length
        assert item.begin_us <= item.end_us
        ends[f"item: {Kind(item.kind).name.lower()}"] += 1
        if item.kind != Kind.SEGMENT:
            ends["row refused"] += not _has_row(item)
    ends["segment refused"] += _refused_segments([item for item in items if item.segment is not None])
    if depth == Depth.CLOSE:
        check_rows_sent(message, results, LIMITS)
        if items:
            _close(items, message.received_ms)
    elif depth == Depth.PLAY:
        ends += _played([item for item in items if item.segment is not None])
    return +ends


def _has_row(item: Item) -> bool:
    try:
        row = line_row(item.family, item.body).row
    except ValueError:  # what `assemble` puts into quarantine
        return False
    msgspec.json.encode(dict(row))  # fails for text that is no Unicode and for integers beyond 64 bits
    return True


def _refused_segments(items: list[Item]) -> int:
    segments = tuple(replay_segment(item, family_of(item.family).recording) for item in items)
    done = cut(ReplayWindow("a", "s", 0, segments), CutLimits())
    counts = done.counts
    assert len(items) == counts.kept + counts.duplicates + counts.rejected + counts.over
    return counts.rejected


def _played(items: list[Item]) -> Counter[str]:
    """What the segments of each session play. Only a recording of which nothing can be read may be refused."""
    ends: Counter[str] = Counter()
    sessions: dict[tuple[int, str, str], list[bytes]] = {}
    for item in items:
        line = to_line(replay_segment(item, family_of(item.family).recording).inflated()).rstrip(b"\n")
        sessions.setdefault((item.family, item.app_id, item.session_id), []).append(line)
    for (number, _, _), lines in sessions.items():
        family = family_of(number)
        try:
            tracks = [*to_rrweb(family, lines), one_track(family, lines)]
        except ConversionError:
            ends["recording refused"] += 1
            continue
        for track in tracks:
            _check_track(track)
            ends["event"] += len(track.events)
            ends["recording without events"] += not track.events
    return ends


def _check_track(track: Track) -> None:
    times = [event["timestamp"] for event in track.events]
    assert times == sorted(times), "a player goes forward"
    kinds = [event["type"] for event in track.events]
    assert not kinds or EventType.FULL_SNAPSHOT in kinds, "there is something to draw on"
    assert track.events or track.notes, "nothing to see has its reason"
    msgspec.json.encode(track.events)  # fails for text that is no Unicode
    json.dumps(track.events, allow_nan=False)
    assert all(note.text for note in track_notes(track))


def _close(items: list[Item], received_ms: int) -> None:
    tracker = SessionTracker(WindowRules())
    taken = tracker.apply(0, received_ms, [Arrival(received_ms, "rum", 0, 0, item) for item in items])
    orders = taken.orders + tracker.drain().orders
    SessionTracker(WindowRules(), saved=tracker.everything())
    _check_pack(items, encode_pack({("a", "s"): taken.items})[0])
    entries = {(0, entry.ordinal): entry for entry in taken.items}
    found: list[tuple[int, int]] = []
    for order in orders:
        found += references(order)
        day = utc_day(order.received_start_ms)
        done = assemble(
            order,
            {reference: entries[reference] for reference in references(order)},
            lambda revision, order=order, day=day: replay_key(  # type: ignore[misc]
                14, day, order.app_id, order.session_id, order.part, revision
            ),
            CutLimits(),
        )
        tables: dict[str, list[Row]] = {"sessions": [done.session], "replay_segments": list(done.segments)}
        for line in done.lines:
            tables.setdefault(line.table, []).append(line.row)
        for table, rows in tables.items():
            if rows:
                encode_rows(table, rows)
        assert "/" not in safe_segment(order.app_id) + safe_segment(order.session_id)
    assert sorted(found) == sorted(entries), "every item is in exactly one window"


def _check_pack(items: list[Item], content: bytes) -> None:
    index = decode_index(content[-index_length(content) :])
    [(offset, length)] = index.find("a", "s")
    assert len(decode_block(content[offset : offset + length])) == len(items)
