"""Is the lake consistent? Reads all of it back: checksums, index against bytes, counts, orphans, and whether what
is called a recording can be played.

Damage of the lake and what a sender made unplayable are told apart: the bytes of a frame whose checksums are right are
those that were received, so if they cannot be played, they never could.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta

import msgspec
import pyarrow as pa

from lake.catalog import (
    Row,
    WindowKey,
    each_file,
    latest_sessions,
    latest_views,
    open_blob,
    read_file,
    window_key,
)
from lake.export import family_of
from lake.styles import StyleShelf
from lake.unique_keys import UniqueKeys, key_hashes
from operators.chunks import CHUNK_RAW_BYTES
from operators.families.family import Family
from operators.rrweb.track import ConversionError
from operators.tracks import one_track
from schemas.blob import BlobFormatError, FrameEntry
from schemas.keys import PACKS, REPLAYS, STAGING, is_style, partition_value, style_digest
from schemas.lifecycle import due_day
from schemas.retention import Retention
from schemas.session_columns import COUNTED
from schemas.style import open_style
from schemas.tables import REVISED, TABLES
from schemas.units import MIB
from sinks.store import ObjectMissing, ObjectStore

_CONVERTED_BYTES_MAX = 16 * MIB  # of segments at once: parsed they take some ten times that
_WINDOW = ["app_id", "session_id", "session_part"]
# What the checks need of a row; of a table that is only counted, its windows are enough.
_NEEDED = {
    "sessions": [
        *_WINDOW,
        "revision",
        "start",
        *COUNTED.values(),
        "replay_segment_count",
        "replay_record_count",
        "replay_raw_bytes",
        "replay_bytes",
        "replay_key",
    ],
    "views": [*_WINDOW, "view_id", "revision"],
    "replay_segments": [*_WINDOW, "replay_key", "frame_offset", "frame_length", "records_count", "raw_bytes"],
    "quarantine": [],
}


class Report(msgspec.Struct):
    """What was read, and every problem as one line that names the key or window.

    `unplayable`: recordings, or parts of them, that are stored as they came and cannot be played, a line each;
    known when `is_played`.
    """

    files: int = 0
    rows: dict[str, int] = msgspec.field(default_factory=dict)
    blobs: int = 0
    blob_bytes: int = 0
    styles: int = 0
    style_bytes: int = 0
    packs: int = 0
    staged: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
    unplayable: list[str] = msgspec.field(default_factory=list)
    is_played: bool = True


class Expiry(msgspec.Struct, frozen=True):
    """What may be gone already: everything that is due at the beginning of `day` under the classes in force."""

    day: date = date.min
    retention: Retention = Retention()

    def covers(self, key: str) -> bool:
        """Whether an object of tables or replays is due, there or not."""
        due = due_day(key, 0)
        return due is not None and due <= self.day

    def covers_session(self, app_id: str, key: str) -> bool:
        """Whether the session row of something in this file may be gone: it is of the same day or of the one before."""
        day = partition_value(key, "dt")
        lives = self.retention.rum_days(app_id)
        return day is not None and date.fromisoformat(day) + timedelta(lives) <= self.day


def verify(
    store: ObjectStore,
    progress: Callable[[str], None] = lambda _: None,
    expiry: Expiry | None = None,
    *,
    plays: bool = True,
) -> Report:
    """Read the whole lake. Tables are read first, so that a job writing meanwhile causes no false alarm of orphans.

    `expiry`: what is due is not looked at and not missed, because it goes object by object. `plays`: also turn every
    recording into a player's events, which takes most of the time of a lake with many.
    """
    report, expiry = Report(is_played=plays), expiry or Expiry()
    replays = {found.key: found.size for found in store.list(REPLAYS) if not expiry.covers(found.key)}
    blobs = {key: size for key, size in replays.items() if not is_style(key)}
    fading: set[WindowKey] = set()
    tables = {name: _read(store, name, report, progress, expiry, fading) for name in TABLES}
    _check_revisions(tables, report)
    _check_sessions(tables, report, expiry, fading)
    _check_segments(store, tables["replay_segments"], blobs, report, progress)
    _check_blob_sizes(tables, blobs, report, expiry)
    _check_styles(store, sorted(replays.keys() - blobs.keys()), report, progress)
    report.packs = sum(1 for _ in store.list(PACKS))
    report.staged = sum(1 for _ in store.list(STAGING))
    return report


def _read(  # noqa: PLR0913 - what reading adds to
    store: ObjectStore,
    table: str,
    report: Report,
    progress: Callable[[str], None],
    expiry: Expiry,
    fading: set[WindowKey],
) -> list[Row]:
    """What is needed of a table, all of which is read. `fading` takes up the windows whose session row may be gone."""

    def read(key: str) -> tuple[str, int, list[Row], "array[int]", str]:
        if expiry.covers(key):
            return "", 0, [], array("Q"), ""
        progress(key)
        try:
            content = read_file(store, key, table)
            return key, content.num_rows, _needed(content, table, key), key_hashes(content, table), ""
        except (pa.ArrowException, OSError) as error:
            return key, 0, [], array("Q"), str(error)

    rows: list[Row] = []
    keys = UniqueKeys(table)
    report.rows[table] = 0
    for key, count, found, hashes, problem in each_file(store, table, read):
        report.files += bool(key)
        report.rows[table] += count
        rows.extend(found)
        keys.add(key, hashes)
        fading |= {window_key(row) for row in found if expiry.covers_session(str(row["app_id"]), key)}
        if problem:
            report.problems.append(f"{key}: not readable: {problem}")
    report.problems += keys.problems()
    return rows


def _needed(content: pa.Table, table: str, key: str) -> list[Row]:
    """What is needed of the rows of a file; of what has revisions also the day it is filed under."""
    if table not in _NEEDED:
        content = content.group_by(_WINDOW).aggregate([([], "count_all")])
    else:
        content = content.select(_NEEDED[table])
    found: list[Row] = content.to_pylist() if content.column_names else []
    return [row | {"dt": partition_value(key, "dt")} for row in found] if table in REVISED else found


def _counts(windows: Iterable[Row]) -> Counter[WindowKey]:
    """Rows by window, from what is needed of a table that is only counted."""
    found: Counter[WindowKey] = Counter()
    for row in windows:
        found[window_key(row)] += int(str(row["count_all"]))
    return found


def _check_revisions(tables: dict[str, list[Row]], report: Report) -> None:
    """A revision of a row is there once, and all revisions of a row are filed under one day."""
    for table, columns in REVISED.items():
        days: dict[tuple[object, ...], Counter[tuple[object, object]]] = {}
        for row in tables[table]:
            key = tuple(row[column] for column in columns)
            if None not in key:
                days.setdefault(key, Counter())[row["revision"], row["dt"]] += 1
        for key, found in days.items():
            name = f"{table}: {' '.join(f'{column}={value!r}' for column, value in zip(columns, key, strict=True))}"
            revisions: Counter[object] = Counter()
            for (revision, _), count in found.items():
                revisions[revision] += count
            report.problems += [f"{name}: revision {n} {count} times" for n, count in revisions.items() if count > 1]
            filed = sorted({str(day) for _, day in found})
            if len(filed) > 1:
                report.problems.append(f"{name}: its revisions are filed under {len(filed)} days: {', '.join(filed)}")


def _check_sessions(tables: dict[str, list[Row]], report: Report, expiry: Expiry, fading: set[WindowKey]) -> None:
    latest = {window_key(row): row for row in latest_sessions(tables["sessions"])}
    counted = {table: _counts(tables[table]) for table in COUNTED if table != "views"}
    counted["views"] = Counter(map(window_key, latest_views(tables["views"])))
    for table, column in COUNTED.items():
        for key, row in latest.items():
            if counted[table][key] != (row[column] or 0):  # null in rows of a version before the table
                report.problems.append(
                    f"session {key[1]!r}: {column} is {row[column]}, {table} has {counted[table][key]}"
                )
        for key in counted[table].keys() - latest.keys() - fading:
            report.problems.append(f"session {key[1]!r} part {key[2]}: rows in {table}, none in sessions")
    segments = _by_window(tables["replay_segments"])
    for key, row in latest.items():
        if not expiry.covers(str(row["replay_key"])):
            _check_replay_totals(row, segments.get(key, []), report)
    for key in segments.keys() - latest.keys() - fading:
        report.problems.append(f"session {key[1]!r} part {key[2]}: rows in replay_segments, none in sessions")


def _check_replay_totals(row: Row, segments: list[Row], report: Report) -> None:
    found = {
        "replay_segment_count": len(segments),
        "replay_record_count": sum(int(str(one["records_count"])) for one in segments),
        "replay_raw_bytes": sum(int(str(one["raw_bytes"])) for one in segments),
    }
    for column, value in found.items():
        if row[column] != value:
            report.problems.append(f"session {row['session_id']!r}: {column} is {row[column]}, the index has {value}")


def _check_blob_sizes(tables: dict[str, list[Row]], blobs: dict[str, int], report: Report, expiry: Expiry) -> None:
    segments = _by_window(tables["replay_segments"])
    for row in latest_sessions(tables["sessions"]):
        if expiry.covers(str(row["replay_key"])):
            continue
        keys = {str(one["replay_key"]) for one in segments.get(window_key(row), [])}
        stored = sum(blobs.get(key, 0) for key in keys)
        if row["replay_bytes"] != stored:
            report.problems.append(
                f"session {row['session_id']!r}: replay_bytes is {row['replay_bytes']}, not {stored}"
            )


def _check_segments(
    store: ObjectStore, rows: list[Row], blobs: dict[str, int], report: Report, progress: Callable[[str], None]
) -> None:
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(str(row["replay_key"]), []).append(row)
    for key in sorted(blobs.keys() - by_key.keys()):
        report.problems.append(f"{key}: no row of replay_segments points to this blob")
    shelf = StyleShelf(store)
    for key in sorted(by_key):
        progress(key)
        _check_blob(store, shelf, key, by_key[key], report)


def _check_styles(store: ObjectStore, keys: Iterable[str], report: Report, progress: Callable[[str], None]) -> None:
    """Every style is what its name says. One that no blob needs is no problem: its sessions may have been erased."""
    for key in keys:
        progress(key)
        try:
            stored = store.read(key)
            open_style(stored, style_digest(key))
        except ObjectMissing:
            continue  # deleted since it was listed; whoever needs it says so
        except BlobFormatError as error:
            report.problems.append(f"{key}: {error}")
            continue
        report.styles += 1
        report.style_bytes += len(stored)


def _check_blob(store: ObjectStore, shelf: StyleShelf, key: str, rows: Iterable[Row], report: Report) -> None:
    rows = list(rows)
    try:
        reader = open_blob(store, key, shelf)
    except ObjectMissing:
        report.problems.append(f"{key}: {len(rows)} rows point to this blob, which does not exist")
        return
    try:
        family = family_of(reader)
        segments = 0
        for number, frame in enumerate(reader.frames):
            lines = reader.frame_segments(number)
            segments += len(lines)
            if report.is_played:
                reasons = _unplayable(family, frame, lines)
                report.unplayable += [f"{key}: frame {number}: {reason}" for reason in reasons]
        frames = {(frame.offset, frame.length) for frame in reader.frames}
        report.blobs += 1
        report.blob_bytes += reader.size
    except ObjectMissing as error:
        report.problems.append(f"{key}: gone, or a style it needs: {error}")
        return
    except (BlobFormatError, ConversionError) as error:
        report.problems.append(f"{key}: {error}")
        return
    if segments != len(rows):
        report.problems.append(f"{key}: {segments} segments in the blob, {len(rows)} rows")
    if any((row["frame_offset"], row["frame_length"]) not in frames for row in rows):
        report.problems.append(f"{key}: a row names a frame that the blob does not have")


def _unplayable(family: Family, frame: FrameEntry, lines: Sequence[bytes]) -> Iterator[str]:
    """What of a frame does not become events, a part of it at a time. What never arrived of a recording is not told."""
    for begin, end in _runs(lines, {snapshot.line for snapshot in frame.snapshots}):
        try:
            track = one_track(family, lines[begin:end])
        except ConversionError as error:
            yield f"segments {begin} to {end - 1} cannot be converted: {error}"
            continue
        if not track.events and any(begin <= snapshot.line < end for snapshot in frame.snapshots):
            reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(track.skipped.items()))
            yield f"segments {begin} to {end - 1}: their full snapshot cannot be played: {reasons or 'no events'}"


def _runs(lines: Sequence[bytes], snapshots: Collection[int]) -> Iterator[tuple[int, int]]:
    """Lines from, to: each part begins with a full snapshot, unless none comes for long."""
    begin, size = 0, 0
    for number, line in enumerate(lines):
        if (number in snapshots and size >= CHUNK_RAW_BYTES) or size >= _CONVERTED_BYTES_MAX:
            yield begin, number
            begin, size = number, 0
        size += len(line)
    yield begin, len(lines)


def _by_window(rows: Iterable[Row]) -> dict[tuple[str, str, int], list[Row]]:
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        found.setdefault(window_key(row), []).append(row)
    return found
