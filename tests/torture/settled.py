"""What readers of a lake see in the end, comparable between lakes whose input lay on topics of different kinds.

Within the allowed lateness everything must be equal. Of a session with something later than that, several inputs leave
open which revision carries it: what depends on that is listed here, and nothing else.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from replay.catalog import latest_sessions, latest_views, open_blob, read_rows, table_keys
from schemas.keys import REPLAYS, is_style, replay_owner, safe_segment
from schemas.tables import TABLES
from sinks.store import ObjectStore

MAY_DIFFER = {  # of a session with items later than the lateness: what depends on the revision that carries them
    "sessions": {"revision", "late_count", "duplicate_count", "close_reason", "replay_key", "replay_bytes"},
    "replay_segments": {"revision", "replay_key", "frame_offset", "frame_length"},
}
_REVISION = {"revision"}  # of the other tables
_PLACE = {"topic", "partition", "offset"}  # of a row of the quarantine: where its message lay
_LATEST = {"sessions": latest_sessions, "views": latest_views}

_NAMES = {  # which row it is
    *("session_id", "session_part", "view_id", "index_in_view", "time", "raw"),
    *("action_id", "error_id", "resource_id", "long_task_id"),
}
Row = dict[str, str]  # the values as text


class Settled(msgspec.Struct):
    """Rows of each table, digests of blobs and styles by name."""

    tables: dict[str, list[Row]]
    blobs: dict[str, str]


def settled(store: ObjectStore, late: Collection[str]) -> Settled:
    """Highest revisions, all rows, every blob and style; of sessions with late items without what may differ."""
    tables = {}
    for table in TABLES:
        rows = read_rows(store, list(table_keys(store, table)), table)
        latest = _LATEST[table](rows) if table in _LATEST else rows
        tables[table] = [_comparable(table, row, late) for row in latest]
    listed = [found.key for found in store.list(REPLAYS)]
    styles = {key: hashlib.sha256(store.read(key)).hexdigest() for key in listed if is_style(key)}
    return Settled(tables, dict(_blobs(store, listed, late)) | styles)


def _comparable(table: str, row: Mapping[str, object], late: Collection[str]) -> Row:
    left_out = (
        _PLACE if table == "quarantine" else MAY_DIFFER.get(table, _REVISION) if row["session_id"] in late else ()
    )
    return {name: repr(value) for name, value in row.items() if name not in left_out}


def _blobs(store: ObjectStore, keys: Iterable[str], late: Collection[str]) -> Iterator[tuple[str, str]]:
    """Digest of each blob by its name; of sessions with late items, of all their segments together."""
    names = {safe_segment(session_id) for session_id in late}
    segments: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for key in keys:
        if is_style(key):
            continue
        owner = replay_owner(key)
        if owner[1] in names:
            segments[owner] += open_blob(store, key).segments()
        else:
            yield key, hashlib.sha256(store.read(key)).hexdigest()
    for owner, lines in segments.items():
        yield f"segments of {'/'.join(owner)}", hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()


def differing(calm: Settled, found: Settled) -> list[str]:
    """One line for each table and blob that is not the same; rows as multisets."""
    lines: list[str] = []
    for table, rows in calm.tables.items():
        lines += _differing_rows(table, rows, found.tables[table])
    lines += [f"{key}: differs" for key, digest in calm.blobs.items() if found.blobs.get(key, digest) != digest]
    lines += [f"{key}: missing" for key in sorted(calm.blobs.keys() - found.blobs.keys())]
    return lines + [f"{key}: too many" for key in sorted(found.blobs.keys() - calm.blobs.keys())]


def _differing_rows(table: str, calm: Iterable[Row], found: Iterable[Row]) -> Iterator[str]:
    missing, surplus = (Counter(tuple(row.items()) for row in rows) for rows in (calm, found))
    missing, surplus = missing - surplus, surplus - missing
    if not missing and not surplus:
        return
    twins: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in map(dict, surplus.elements()):
        twins[_name(row)].append(row)
    columns: Counter[str] = Counter()
    alone = 0
    for row in map(dict, missing.elements()):
        twin = twins[_name(row)].pop() if twins[_name(row)] else None
        alone += twin is None
        columns.update(name for name in row if twin is not None and twin.get(name) != row[name])
    said = ", ".join(f"{name} in {count}" for name, count in columns.most_common(8)) or "none"
    sessions = sorted({dict(row)["session_id"] for row in missing + surplus})
    yield (
        f"{table}: {missing.total()} rows missing, {surplus.total()} surplus, {alone} of the missing without a twin; "
        f"columns that differ: {said}; {len(sessions)} sessions, such as {sessions[0]}"
    )


def _name(row: Row) -> tuple[str, ...]:
    return tuple(value for name, value in row.items() if name in _NAMES)
