"""Compaction: the many small files of finished days into few large ones, beside a running job and its readers.

Folder by folder: files are merged, then swapped for the new one (`swap`). A run that was cut off leaves at most a swap
that the next command with the lake's lock ends; started again it does what is left. Decision 7 has the reasons.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

import msgspec

from schemas.errors import Damaged, ReplayLakeError
from schemas.keys import FIRST_REVISIONS, TABLES, partition_value, table_key
from schemas.lifecycle import class_of, due_day
from schemas.tables import TABLES as TABLE_SPECS
from schemas.units import MIB
from sinks.lifecycle import overdue
from sinks.merge import Merged, UnknownColumns, merge
from sinks.notices import note_removed
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import commit, prepare, settle, visible_files
from sinks.table_files import row_count

TARGET_BYTES = 256 * MIB
_FILES_MAX = 10_000  # in one swap, whose object names them all
_DAYS_LEFT = 2  # what ends sooner is not worth the work, and could end while we work
_NAME = "compact-"

Progress = Callable[[str], None]


class CompactFailed(Damaged):
    """A new file is not there or not whole; the old ones are still in their place."""


class Group(msgspec.Struct, frozen=True):
    """Files of one folder that become one."""

    table: str
    days: int
    day: str
    files: list[ObjectInfo]

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files)


class Compacted(msgspec.Struct):
    """What was, or would be, done. `skipped`: folders that were left alone, and why."""

    folders: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    rows: int = 0
    superseded_rows: int = 0
    ended: int = 0  # files that were due by their day
    skipped: list[str] = msgspec.field(default_factory=list)


def plan(store: ObjectStore, until: str, today: date, target_bytes: int = TARGET_BYTES) -> list[Group]:
    """What is worth merging: in a folder of a day up to `until`, files below half the target, at least two."""
    found = []
    for table, files in visible_files(store, TABLE_SPECS, days=("", until)).items():
        for (days, day), folder in groupby(files, key=_folder):
            due = due_day(table_key(table, days, day, ""), 0) if days and day else None
            if due is None or due <= today + timedelta(_DAYS_LEFT):
                continue
            small = [one for one in folder if one.size < target_bytes // 2]
            found += [Group(table, days, day, group) for group in _packed(small, target_bytes) if len(group) > 1]
    return found


def compact(  # noqa: PLR0913 - what a run depends on
    store: ObjectStore,
    groups: Iterable[Group],
    name: str,
    today: date,
    still_ours: Callable[[], None],
    progress: Progress = lambda _: None,
) -> Compacted:
    """Merge every group and end what is due by its day. `still_ours`: raises when the lake's lock is lost.

    `name`: of this run, for the list of what it removes. Raises CompactFailed.
    """
    done = Compacted()
    for number, group in enumerate(groups):
        progress(f"{group.table} {group.day}: {len(group.files):,} files")
        try:
            merged = _merged(store, group)
        except (ObjectMissing, UnknownColumns) as error:
            done.skipped.append(f"{group.table} retention={group.days}d dt={group.day}: {error}")
            continue
        still_ours()
        _swap(store, group, merged, f"{name}-{number}")
        done.folders += 1
        done.files_before += len(group.files)
        done.files_after += 1
        done.bytes_before += group.size
        done.bytes_after += len(merged.content)
        done.rows += merged.rows
        done.superseded_rows += merged.superseded
    done.ended = _end_what_is_due(store, today)
    return done


def would_compact(groups: Iterable[Group]) -> Compacted:
    """What `compact` would take up."""
    done = Compacted()
    for group in groups:
        done.folders += 1
        done.files_before += len(group.files)
        done.files_after += 1
        done.bytes_before += group.size
    return done


def _merged(store: ObjectStore, group: Group) -> Merged:
    keys = [one.key for one in group.files]
    with tempfile.TemporaryDirectory(prefix="replaylake-compact-") as work:
        return merge(group.table, (content for _, content in in_parallel(store.read, keys)), Path(work))


def _swap(store: ObjectStore, group: Group, merged: Merged, name: str) -> None:
    """Put the new file and remove the old ones, each row being seen exactly once all the time."""
    keys = [one.key for one in group.files]
    output = output_key(group, merged)
    note_removed(store, name, keys)  # first: a job that restarts does not publish them again
    prepare(store, group.table, [output], keys)
    try:
        store.put({output: merged.content})
        if row_count(store, output) != merged.rows:
            raise CompactFailed(f"{output!r} does not have the {merged.rows} rows that were written")
    except ReplayLakeError:
        settle(store)
        raise
    commit(store)
    settle(store)


def output_key(group: Group, merged: Merged) -> str:
    """A name made of the replaced ones: a second run over the same files puts the same object."""
    digest = hashlib.sha256("\n".join(sorted(one.key for one in group.files)).encode()).hexdigest()[:16]
    mark = FIRST_REVISIONS if merged.is_first else ""
    return table_key(group.table, group.days, group.day, f"{_NAME}{digest}{mark}")


def _packed(files: Iterable[ObjectInfo], target_bytes: int) -> Iterator[list[ObjectInfo]]:
    """Groups of files in their order, none larger than the target."""
    group: list[ObjectInfo] = []
    for one in files:
        if group and (sum(other.size for other in group) + one.size > target_bytes or len(group) >= _FILES_MAX):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _folder(found: ObjectInfo) -> tuple[int, str]:
    return class_of(found.key) or 0, partition_value(found.key, "dt") or ""


def _end_what_is_due(store: ObjectStore, today: date) -> int:
    """A compacted file is younger than its rows, so a store's rule would end it late: its day decides."""
    due = [one.key for one, _ in overdue(store, today) if one.key.startswith(TABLES)]
    store.delete(due)
    return len(due)
