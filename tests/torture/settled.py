"""What readers of a lake see in the end, comparable between lakes whose input lay on topics of different kinds.

Within the allowed lateness everything must be equal. Of a session with something later than that, several inputs leave
open which revision carries it: what depends on that is listed here, and nothing else.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

import msgspec

from lake.catalog import latest_sessions, latest_views, open_blob, read_rows, table_keys
from schemas.items import LINE_TABLE
from schemas.keys import REPLAYS, is_style, replay_owner, safe_segment
from schemas.line_columns import VIEW
from schemas.tables import TABLES
from sinks.store import ObjectStore

MAY_DIFFER = {  # of a session with items later than the lateness: what depends on the revision that carries them
    "sessions": {"revision", "late_count", "duplicate_count", "close_reason", "replay_key", "replay_bytes"},
    "replay_segments": {"revision", "replay_key", "frame_offset", "frame_length"},
}
_REVISION = {"revision"}  # of the other tables
# Where such a session has several windows, a late item may find one closed that it would have held open: what counts is
# then that each item is there once, in any window, with all that does not derive from its window. A view has a row in
# each of its windows, so of those the newest counts. Of rows of sessions there is one at least.
_OF_WINDOW = {
    "views": {
        *(
            "revision",
            "session_part",
            "received_at",
            "active_time",
            "last_interaction_at",
            "error_click_count",
            "is_entry",
            "is_exit",
        ),
        *("view_index", "next_view_path", "previous_view_path"),
    },
    "replay_segments": {"revision", "session_part", "replay_key", "frame_offset", "frame_length"},
}
_OF_ANY_WINDOW = {"revision", "session_part"}  # of the other tables
# Rows that were made from a recording stand as the close saw them (docs/recorded.md). In a session with late items they
# are not compared, nor what else follows from them: the page that was open, and counts and times of pages and clicks.
_DERIVED_OF_SESSION = re.compile(
    r"session_(first|last)_view_.*|session_(view|action|resource|long_task|console)_count"
    r"|(frustration|.*_click|console_.*|slow_resource|recorded_omitted)_count"
    r"|time_spent|end|last_interaction_at|active_time|idle_time|is_bounce"
)
_DERIVED_OF_VIEW = re.compile(
    r"view_.*_count|(frustration|.*_click|slow_resource)_count|time_spent|last_interaction_at|active_time|idle_time"
    r"|view_index|is_entry|is_exit|(next|previous)_view_path"
)
_PAGE = {"view_id"} | {field.name for field in VIEW}
_TORN = {"app_id", "session_id"}
_PLACE = {"topic", "partition", "offset"}  # of a row of the quarantine: where its message lay
_LATEST = {"sessions": latest_sessions, "views": latest_views}
_NAMES = {  # which row it is
    *("session_id", "session_part", "view_id", "index_in_view", "time", "raw"),
    *("action_id", "error_id", "resource_id", "long_task_id"),
}
Row = dict[str, str]  # the values as text


class Settled(msgspec.Struct):
    """Rows of each table, digests of blobs and styles by name; `late`: sessions with items later than the lateness."""

    tables: dict[str, list[Row]]
    blobs: dict[str, str]
    late: frozenset[str]

    def torn(self) -> set[str]:
        """Those of them that have several windows."""
        windows = Counter(row["session_id"] for row in self.tables["sessions"])
        return {name for name in map(repr, self.late) if windows[name] > 1}

    def recorded(self) -> set[str]:
        """Those of them that have rows from a recording."""
        late = set(map(repr, self.late))
        tables = (self.tables[table] for table in LINE_TABLE.values())
        return late & {row["session_id"] for rows in tables for row in rows if row["from_recording"] == "True"}


def settled(store: ObjectStore, late: frozenset[str]) -> Settled:
    """Highest revisions, all rows, every blob and style."""
    tables = {}
    for table in TABLES:
        rows = read_rows(store, list(table_keys(store, table)), table)
        latest = _LATEST[table](rows) if table in _LATEST else rows
        tables[table] = [{name: repr(value) for name, value in row.items()} for row in latest]
    listed = [found.key for found in store.list(REPLAYS)]
    styles = {key: hashlib.sha256(store.read(key)).hexdigest() for key in listed if is_style(key)}
    return Settled(tables, dict(_blobs(store, listed, late)) | styles, late)


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
    """One line for each table and blob that is not the same; rows as multisets, less what may differ."""
    late, torn = set(map(repr, calm.late)), calm.torn() | found.torn()
    recorded = calm.recorded() | found.recorded()
    lines: list[str] = []
    for table in calm.tables:
        lakes = [list(_of_lines(table, lake.tables[table], recorded)) for lake in (calm, found)]
        if table == "views":
            lakes = [_newest(rows, torn) for rows in lakes]
        lines += _differing_rows(table, *([_comparable(table, row, late, torn) for row in rows] for rows in lakes))
    lines += [f"{key}: differs" for key, digest in calm.blobs.items() if found.blobs.get(key, digest) != digest]
    lines += [f"{key}: missing" for key in sorted(calm.blobs.keys() - found.blobs.keys())]
    return lines + [f"{key}: too many" for key in sorted(found.blobs.keys() - calm.blobs.keys())]


def _of_lines(table: str, rows: Iterable[Row], recorded: Collection[str]) -> Iterator[Row]:
    """All but the rows that were made from the recordings of these sessions, and what follows from such rows."""
    for row in rows:
        if table == "quarantine" or row["session_id"] not in recorded:
            yield row
        elif row.get("from_recording") != "True":
            yield {name: value for name, value in row.items() if not _is_derived(table, name)}


def _is_derived(table: str, column: str) -> bool:
    if table == "sessions":
        return _DERIVED_OF_SESSION.fullmatch(column) is not None
    if table == "views":
        return _DERIVED_OF_VIEW.fullmatch(column) is not None
    return table != "replay_segments" and column in _PAGE


def _newest(rows: Iterable[Row], torn: Collection[str]) -> list[Row]:
    """Of views of such sessions the row with the newest update, beside all rows of the others."""
    others = []
    newest: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row["session_id"] not in torn:
            others.append(row)
            continue
        view = row["session_id"], row["view_id"]
        if view not in newest or _update(row) > _update(newest[view]):
            newest[view] = row
    return others + list(newest.values())


def _update(row: Row) -> tuple[int, ...]:
    """What tells a newer update of a view; of a recorded session only what its lines say."""
    found = (row.get(name, "None") for name in ("document_version", "time_spent"))
    return tuple(-1 if value == "None" else int(value) for value in found)


def _comparable(table: str, row: Row, late: Collection[str], torn: Collection[str]) -> Row:
    if table == "quarantine":
        return {name: value for name, value in row.items() if name not in _PLACE}
    if row["session_id"] in torn:
        of_item = _TORN if table == "sessions" else row.keys() - _OF_WINDOW.get(table, _OF_ANY_WINDOW)
        return {name: value for name, value in row.items() if name in of_item}
    left_out = MAY_DIFFER.get(table, _REVISION) if row["session_id"] in late else set()
    return {name: value for name, value in row.items() if name not in left_out}


def _differing_rows(table: str, calm: Iterable[Row], found: Iterable[Row]) -> Iterator[str]:
    missing, surplus = (Counter(tuple(row.items()) for row in rows) for rows in (calm, found))
    if table == "sessions":  # of a session in several windows all rows are one here, as often as it has windows
        missing, surplus = (
            Counter({row: 1 if len(row) == len(_TORN) else n for row, n in rows.items()}) for rows in (missing, surplus)
        )
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
