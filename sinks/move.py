"""Moving rows and blobs between retention classes: for a changed setting, and into and out of a legal hold.

The day in the key stays, so the end of an object's life is counted from its day as before. Copies come first, then the
rows that point to them, then the old blobs go: a reader always finds the bytes of a row. For a moment it can meet a row
in both classes. A run that was cut off is started again and ends the same.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from schemas.blob import ENDING_BYTES, BlobFormatError, parse_footer
from schemas.errors import Damaged
from schemas.keys import (
    REPLAYS,
    TABLE_ENDING,
    TABLES,
    is_held,
    is_style,
    partition_value,
    replay_prefix,
    style_key,
    table_key,
)
from schemas.lifecycle import REPLAY_TABLE, class_of
from sinks.notices import note_removed
from sinks.parallel import in_parallel
from sinks.retired import registration
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import replace_files, table_objects
from sinks.table_files import encode, read_columns, read_table, row_count

_BATCH = 500
_IDS = ("app_id", "session_id", "replay_key")

Target = Callable[
    [str, str], tuple[int, int] | None
]  # (app, session) to the classes of rows and replay; None: leave it
Progress = Callable[[str], None]


class MoveFailed(Damaged):
    """A copy is not there or not whole; the original is still in its place."""


class Moved(msgspec.Struct):
    """What was, or would be, moved or pointed elsewhere."""

    rows: int = 0
    files: int = 0
    blobs: int = 0
    blob_bytes: int = 0


class Mover:
    """One run. `name`: of this run, for the list of what it removes."""

    def __init__(self, store: ObjectStore, target: Target, name: str, progress: Progress = lambda _: None) -> None:
        self._store = store
        self._target = target
        self._name = name
        self._progress = progress
        self._batches = 0

    def run(self, *, dry_run: bool = False) -> Moved:
        """Move everything whose class is not its target. Raises MoveFailed."""
        moved = Moved()
        blobs = self._blobs()
        sizes = {one.key: one.size for one in self._store.list(REPLAYS)}
        moved.blobs = len(blobs)
        moved.blob_bytes = sum(sizes.get(old, 0) for old in blobs)
        if not dry_run:
            self._copy(self._styles(blobs))
            self._copy(list(blobs.items()))
        for found, columns in in_parallel(self._ids, table_objects(self._store)):
            self._progress(found.key)
            rows = self._move_rows(found, columns, dry_run=dry_run)
            moved.rows += rows
            moved.files += bool(rows)
        if not dry_run:
            self._delete_old_blobs()
        return moved

    def _blobs(self) -> dict[str, str]:
        """Old key to new key of every blob that rows point to and that is in another class than it should be."""
        found: dict[str, str] = {}
        for one, columns in in_parallel(self._ids, table_objects(self._store, f"{TABLES}{REPLAY_TABLE}/")):
            self._progress(one.key)
            for app_id, session_id, key in zip(*columns.values(), strict=True):
                new = self._new_blob_key(app_id, session_id, key)
                if new != key:
                    found[key] = new
        return found

    def _new_blob_key(self, app_id: str, session_id: str, key: str) -> str:
        target = self._target(app_id, session_id)
        days = class_of(key)
        if target is None or days is None:
            return key
        return key.replace(replay_prefix(days), replay_prefix(target[1]), 1)

    def _styles(self, blobs: dict[str, str]) -> list[tuple[str, str]]:
        """Old and new keys of what these blobs need. Old styles that are shared stay until their day expires."""
        found = {
            (style_key(old, digest), style_key(blobs[old], digest))
            for old, styles in in_parallel(self._styles_of, blobs)
            for digest in styles
        }
        return sorted(found)

    def _styles_of(self, key: str) -> tuple[str, ...]:
        try:
            size = self._store.size(key)
            length = min(size, ENDING_BYTES)
            return parse_footer(self._store.read_range(key, size - length, length), size).styles
        except ObjectMissing:  # an earlier run has moved it, with its styles
            return ()
        except BlobFormatError as error:
            raise MoveFailed(f"{key!r} cannot be moved, because its styles are not known: {error}") from error

    def _copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        for start in range(0, len(pairs), _BATCH):
            batch = pairs[start : start + _BATCH]
            self._store.copy(batch)
            for old, new in batch:
                if not self._is_same(old, new):
                    raise MoveFailed(f"the copy {new!r} of {old!r} is not there or not whole")

    def _is_same(self, old: str, new: str) -> bool:
        """Whether the copy is there; an original that has gone was deleted by an earlier run, or expired."""
        try:
            size = self._store.size(old)
        except ObjectMissing:
            return True
        return self._store.exists(new) and self._store.size(new) == size

    def _ids(self, found: ObjectInfo) -> dict[str, list[Any]]:
        try:
            return read_columns(self._store, found, _IDS)
        except ObjectMissing:  # it has expired since it was listed
            return {name: [] for name in _IDS}

    def _move_rows(self, found: ObjectInfo, columns: dict[str, list[Any]], *, dry_run: bool) -> int:
        table, days, day = found.key.split("/")[1], class_of(found.key), partition_value(found.key, "dt")
        if days is None or day is None:
            return 0
        places: dict[int, list[int]] = {}
        changed: set[int] = set()
        for position, (app_id, session_id, key) in enumerate(zip(*columns.values(), strict=True)):
            target = self._target(app_id or "", session_id or "")
            wanted = days if target is None else target[1] if table == REPLAY_TABLE else target[0]
            places.setdefault(wanted, []).append(position)
            if wanted != days or (key and self._new_blob_key(app_id, session_id, key) != key):
                changed.add(position)
        if not changed or dry_run:
            return len(changed)
        content = self._repointed(read_table(self._store, found), columns)
        stem = found.key.rpartition("/")[2].removesuffix(TABLE_ENDING)
        if registration(self._store) is not None:
            parts = {wanted: content.take(pa.array(positions)) for wanted, positions in places.items()}
            self._replace(
                found.key, {table_key(table, to, day, f"{stem}-{_digest(rows)}"): rows for to, rows in parts.items()}
            )
            return len(changed)
        for wanted, positions in places.items():
            if wanted != days:
                rows = content.take(pa.array(positions))
                self._put_whole(table_key(table, wanted, day, f"{stem}-{_digest(rows)}"), rows)
        if days in places:
            self._store.put({found.key: encode(content.take(pa.array(places[days])))})
        else:
            self._delete([found.key])
        return len(changed)

    def _replace(self, key: str, parts: dict[str, pa.Table]) -> None:
        """In a lake with Iceberg tables: all at once, under new names; an older snapshot needs the file as it is."""
        self._batches += 1
        note_removed(self._store, f"{self._name}-{self._batches}", [key])
        replace_files(self._store, key.split("/")[1], [key], {new: encode(rows) for new, rows in parts.items()})

    def _repointed(self, content: pa.Table, columns: dict[str, list[Any]]) -> pa.Table:
        """The rows with their blobs' new keys."""
        if "replay_key" not in content.column_names:
            return content
        keys = [
            self._new_blob_key(app_id or "", session_id or "", key) if key else key
            for app_id, session_id, key in zip(*columns.values(), strict=True)
        ]
        position = content.column_names.index("replay_key")
        return content.set_column(position, content.schema.field(position), pa.array(keys, pa.string()))

    def _put_whole(self, key: str, rows: pa.Table) -> None:
        self._store.put({key: encode(rows)})
        if row_count(self._store, key) != rows.num_rows:
            raise MoveFailed(f"{key!r} does not have the {rows.num_rows} rows that were written")

    def _delete_old_blobs(self) -> None:
        """What is there twice, and not where it should be: of this run, or of one that was cut off."""
        found: dict[str, dict[int, ObjectInfo]] = {}
        for one in self._store.list(REPLAYS):
            days = class_of(one.key)
            if days is not None and not is_style(one.key):
                found.setdefault(one.key.removeprefix(replay_prefix(days)), {})[days] = one
        wanted = set(self._referenced()) if any(len(copies) > 1 for copies in found.values()) else set()
        old = [
            one.key
            for copies in found.values()
            if len(copies) > 1 and any(copy.key in wanted for copy in copies.values())
            for one in copies.values()
            if one.key not in wanted
        ]
        for start in range(0, len(old), _BATCH):
            batch = old[start : start + _BATCH]
            held = [key for key in batch if is_held(key)]
            own = [style_key(key, digest) for key, styles in in_parallel(self._styles_of, held) for digest in styles]
            self._delete([*own, *batch])

    def _referenced(self) -> Iterator[str]:
        for one in table_objects(self._store, f"{TABLES}{REPLAY_TABLE}/"):
            yield from read_columns(self._store, one, ("replay_key",))["replay_key"]

    def _delete(self, keys: Sequence[str]) -> None:
        self._batches += 1
        note_removed(self._store, f"{self._name}-{self._batches}", keys)
        self._store.delete(keys)


def _digest(rows: pa.Table) -> str:
    """Of what the rows say, so that a second run gives the same name, whatever wrote the file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()[:12]
