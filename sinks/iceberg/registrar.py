"""Keeps Iceberg tables of a lake's files: one run looks at what is there and commits one snapshot a table.

The files are the truth, and a run knows nothing of the one before: it compares what the lake shows with what the tables
name. So it may die anywhere, and two may run; the catalog lets one of two commits through, and the other looks again.

In each run, in this order:
1. files that came or went, and superseded rows: one snapshot a table; those older than the time of grace go with it;
2. what no snapshot reaches any more of metadata is retired; so are lists of replaced files said to have left;
3. what left before the time of grace is deleted, whatever it is.

What is due tomorrow leaves today, so that the bucket's own rule never deletes a file that a table names.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial

import msgspec
import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Table

from schemas.errors import MustAct, TryAgain
from schemas.keys import ICEBERG, REGISTRAR, partition_value
from schemas.keys import TABLES as TABLES_FOLDER
from schemas.lifecycle import due_day
from schemas.tables import REVISED, TABLES
from schemas.units import MS_PER_MINUTE, MS_PER_SECOND, utc_day
from sinks.iceberg.catalog import faults, lake_table, location_of, open_catalog
from sinks.iceberg.entries import TableForm, data_file, delete_file, position_field_ids
from sinks.iceberg.options import CatalogOptions
from sinks.iceberg.snapshot import Change, commit, expirable, manifests_of
from sinks.iceberg.superseded import Superseded
from sinks.parallel import in_parallel
from sinks.retired import Registration, delete_retired, register, retire, retired_keys, retired_lists, say_left
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import visible_files
from sinks.table_files import plain_file

_TRIES = 10
_LEAD = timedelta(days=1)  # a file leaves its table so long before it may be deleted
_UNCOMMITTED_MS = 10 * MS_PER_MINUTE  # what no table reaches for so long is of a registrar that died
_WAIT_SECONDS = 0.5


class TableRestless(TryAgain):
    """Another registrar committed first each time, or files went each time."""


class Synced(msgspec.Struct):
    """What a run did. `superseded`: rows that are in files and not in the tables; `deleted`: objects."""

    tables: int = 0
    snapshots: int = 0
    files_added: int = 0
    files_removed: int = 0
    files: int = 0
    rows: int = 0
    superseded: int = 0
    expired: int = 0
    deleted: int = 0


class _Current(msgspec.Struct):
    """What a table names now, by path."""

    files: dict[str, DataFile]
    deletes: list[DataFile]


class Registrar:
    """Of one lake. `now_ms`: the wall clock. What it remembers between runs is only what does not change."""

    def __init__(self, store: ObjectStore, options: CatalogOptions, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._options = options
        self._grace_ms = options.grace_seconds * MS_PER_SECOND
        self._now_ms = now_ms
        self._root = location_of(store)
        self._catalog = open_catalog(store, options)
        self._entries: dict[str, list[ManifestEntry]] = {}  # by path of the manifest
        self._superseded = {table: Superseded(store, table) for table in REVISED}
        self._registration = Registration(options.name, options.namespace, options.grace_seconds)

    def sync(self, *, at_once: bool = False) -> Synced:
        """One run. `at_once`: no snapshot but the current one of each table stays, whoever reads an older one.

        Raises CatalogFault, TableRestless, StoreError.
        """
        done, named = self._sync(at_once=at_once)
        self._let_go(named, done)
        return done

    def forget(self, wait: Callable[[float], None]) -> Synced:
        """For an erasure: what was replaced leaves every snapshot now, and the bucket after its time of grace."""
        done, named = self._sync(at_once=True)
        self._let_go(named, done)
        going = {name for name, _ in retired_lists(self._store)}
        while not going.isdisjoint(name for name, _ in retired_lists(self._store)):
            wait(_WAIT_SECONDS)
            self._let_go(named, done)
        return done

    def drop(self) -> None:
        """The tables and everything made for them go; the lake's files stay."""
        for table in TABLES:
            try:
                with faults():
                    self._catalog.drop_table((self._options.namespace, table))
            except NoSuchTableError:
                continue
        for name, retired in list(retired_lists(self._store)):
            delete_retired(self._store, name, retired)
        for table in TABLES:
            self._store.delete([one.key for one in self._store.list(f"{ICEBERG}{table}/")])
        self._store.delete([REGISTRAR])

    def table(self, name: str) -> Table:
        """A table as it is now. Raises MustAct when it was never made."""
        try:
            with faults():
                return self._catalog.load_table((self._options.namespace, name))
        except NoSuchTableError as error:
            named = f"{self._options.namespace}.{name}"
            raise MustAct(f"no Iceberg table {named} in the catalog: first run `replaylake iceberg sync`") from error

    def _sync(self, *, at_once: bool) -> tuple[Synced, set[str]]:
        """What was done, and the paths that the tables name now."""
        register(self._store, self._registration)
        done, named = Synced(), set[str]()
        for table in TABLES:
            named |= self._sync_table(table, done, at_once=at_once)
        return done, named

    def _sync_table(self, name: str, done: Synced, *, at_once: bool) -> set[str]:
        """Returns the paths that its current snapshot names."""
        for _ in range(_TRIES):
            try:
                with faults():
                    return self._try_table(name, done, at_once=at_once)
            except (CommitFailedException, ObjectMissing):
                continue
        raise TableRestless(f"{name}: {_TRIES} times another committed first, or files went: try again later")

    def _try_table(self, name: str, done: Synced, *, at_once: bool) -> set[str]:
        table = lake_table(self._catalog, self._store, self._options.namespace, name)
        reached = self._reached(table)
        files = {self._path(one.key): one for one in self._wanted(name)}
        current = self._current(table)
        change = self._change(table, name, files, current)
        until_ms = 1 << 62 if at_once else self._now_ms() - self._grace_ms
        expired = expirable(table, until_ms)
        head = table.metadata.current_snapshot_id
        if change is not None and at_once and head is not None:
            expired.append(head)
        if change is not None or expired:
            commit(table, change, expired, partial(self._live, table))
        self._retire_metadata(table, name, reached)
        done.tables += 1
        done.snapshots += change is not None
        done.expired += len(expired)
        if change is not None:
            done.files_added += len(change.added)
            done.files_removed += len(change.removed)
        summary = table.metadata.current_snapshot()
        said = summary.summary if summary is not None and summary.summary is not None else {}
        done.files += len(files)
        superseded = int(said.get("total-position-deletes") or 0)
        done.superseded += superseded
        done.rows += int(said.get("total-records") or 0) - superseded
        if name in self._superseded:
            self._superseded[name].forget({one.key: one for one in files.values()})
        return set(files)

    def _wanted(self, name: str) -> Iterator[ObjectInfo]:
        """Files whose rows the table shows: those that readers of the lake see and that stay for a day."""
        tomorrow = date.fromisoformat(utc_day(self._now_ms())) + _LEAD
        for one in visible_files(self._store, [name])[name]:
            due = due_day(one.key, 0)
            if due is not None and due > tomorrow:
                yield one

    def problems(self) -> list[str]:
        """What is not as it should be after a run while nothing else changed the lake, a line each.

        Files that came since are no problem. Raises CatalogFault, StoreError.
        """
        there = {self._path(one.key) for one in self._store.list(TABLES_FOLDER)}
        found = []
        for name in TABLES:
            table = self.table(name)
            found += [f"{name}: names {path}, which does not exist" for path in sorted(self._named(table) - there)]
            current, files = self._current(table), {self._path(one.key): one for one in self._wanted(name)}
            found += [f"{name}: still names {path}" for path in sorted(current.files.keys() - files.keys())]
            if name in REVISED:
                change = Change([], set(), current.deletes, [])
                shown = {path: one for path, one in files.items() if path in current.files}
                days = {_day_of(path) for path in shown}
                self._mark_superseded(name, shown, current, change, days, is_kept=False)
                if {_stated(one.file_path) for one in change.deletes} != {
                    _stated(one.file_path) for one in current.deletes
                }:
                    found.append(f"{name}: superseded rows are not those of the last run")
        return found

    def _named(self, table: Table) -> set[str]:
        """Data files that any snapshot of a table reaches."""
        manifests = {one for snapshot in table.metadata.snapshots for one in manifests_of(table, snapshot)}
        return {
            entry.data_file.file_path
            for manifest in manifests
            if manifest.content == ManifestContent.DATA
            for entry in self._live(table, manifest)
        }

    def _current(self, table: Table) -> _Current:
        found = _Current({}, [])
        for manifest in manifests_of(table, table.metadata.current_snapshot()):
            for entry in self._live(table, manifest):
                if manifest.content == ManifestContent.DATA:
                    found.files[entry.data_file.file_path] = entry.data_file
                else:
                    found.deletes.append(entry.data_file)
        return found

    def _live(self, table: Table, manifest: ManifestFile) -> list[ManifestEntry]:
        """A manifest never changes, so each is read once."""
        known = self._entries.get(manifest.manifest_path)
        if known is None:
            known = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            self._entries[manifest.manifest_path] = known
        return [one for one in known if one.status != ManifestEntryStatus.DELETED]

    def _change(self, table: Table, name: str, files: dict[str, ObjectInfo], current: _Current) -> Change | None:
        """What is to be committed, None when the table is as the lake."""
        sizes = {path: one.file_size_in_bytes for path, one in current.files.items()}
        same = {path for path, one in files.items() if one.size == sizes.get(path)}
        removed = current.files.keys() - same
        new = [one for path, one in files.items() if path not in same]
        form = TableForm(name, table.schema(), table.metadata.specs())
        made = in_parallel(lambda one: data_file(self._store, one, self._path(one.key), form), new)
        change = Change([entry for _, entry in made], set(removed), current.deletes, [])
        if name in REVISED:
            days = {_day_of(path) for path in change.removed} | {_day_of(one.file_path) for one in change.added}
            self._mark_superseded(name, files, current, change, days)
        return None if change.is_nothing(len(current.deletes)) else change

    def _mark_superseded(  # noqa: PLR0913 - what a change depends on
        self,
        name: str,
        files: dict[str, ObjectInfo],
        current: _Current,
        change: Change,
        touched: set[str],
        *,
        is_kept: bool = True,
    ) -> None:
        """Files of positions for the days that are touched; those of other days stay. `is_kept`: new ones are put."""
        entries = {path: one for path, one in current.files.items() if path not in change.removed}
        entries |= {one.file_path: one for one in change.added}
        there = {_stated(one.file_path): one for one in current.deletes}
        change.deletes = [one for one in current.deletes if _stated(one.file_path)[0] not in touched]
        by_day: dict[str, list[ObjectInfo]] = {}
        for path, one in files.items():
            by_day.setdefault(_day_of(path), []).append(one)
        for day in sorted(touched & by_day.keys()):
            found = self._superseded[name].positions(by_day[day])
            groups: dict[tuple[int, str], dict[str, list[int]]] = {}
            for key, positions in found.items():
                entry = entries[self._path(key)]
                groups.setdefault((entry.spec_id, repr(entry.partition)), {})[entry.file_path] = positions
            for group in groups.values():
                content, digest, rows = _positions_file(group)
                known = there.get((day, digest))
                if known is None:
                    key = f"{ICEBERG}{name}/deletes-{day}-{digest}-{uuid.uuid4().hex[:12]}.parquet"
                    if is_kept:
                        self._store.put({key: content})
                    known = delete_file(self._path(key), rows, len(content), entries[next(iter(group))])
                    change.new_deletes.append(known)
                change.deletes.append(known)

    def _reached(self, table: Table) -> set[str]:
        """Paths of metadata that some snapshot of the table needs."""
        found = {table.metadata_location, *(one.metadata_file for one in table.metadata.metadata_log)}
        for snapshot in table.metadata.snapshots:
            found.add(snapshot.manifest_list)
            for manifest in manifests_of(table, snapshot):
                found.add(manifest.manifest_path)
                if manifest.content == ManifestContent.DELETES:
                    found |= {entry.data_file.file_path for entry in self._live(table, manifest)}
        return found

    def _retire_metadata(self, table: Table, name: str, reached_before: set[str]) -> None:
        """What was reached and is not any more, older states of the table, and what a registrar left that died."""
        reached = self._reached(table)
        for path in reached_before - reached:
            self._entries.pop(path, None)
        named = retired_keys(self._store)
        state = table.metadata_location.rpartition("/")[2].partition("-")[0]
        gone = []
        for one in self._store.list(f"{ICEBERG}{name}/"):
            path = self._path(one.key)
            if path in reached or one.key in named:
                continue
            file = one.key.rpartition("/")[2]
            is_older_state = file.endswith(".metadata.json") and file.partition("-")[0] < state
            is_left = one.modified_ms < self._now_ms() - _UNCOMMITTED_MS
            if path in reached_before or is_older_state or is_left:
                gone.append(one.key)
        retire(self._store, f"iceberg-{name}-{uuid.uuid4().hex}", gone, self._now_ms())

    def _let_go(self, named: set[str], done: Synced) -> None:
        """Lists of what no current snapshot names get their time, and are deleted when that is over."""
        now_ms = self._now_ms()
        for name, retired in list(retired_lists(self._store)):
            if any(self._path(key) in named for key in retired.keys):
                continue
            left_ms = now_ms if retired.left_ms is None else retired.left_ms
            if retired.left_ms is None:
                say_left(self._store, name, retired, now_ms)
            if left_ms + self._grace_ms <= now_ms:
                done.deleted += delete_retired(self._store, name, retired)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


def _day_of(path: str) -> str:
    return partition_value(path, "dt") or ""


def _names(files: list[DataFile]) -> set[tuple[str, str]]:
    return {_stated(one.file_path) for one in files}


def _stated(path: str) -> tuple[str, str]:
    """Day and digest in the name of a file of positions."""
    name = path.rpartition("/")[2]
    return name[8:18], name[19:35]


def _positions_file(group: dict[str, list[int]]) -> tuple[bytes, str, int]:
    """Content, digest and number of rows, in the order that the specification asks for."""
    paths = [path for path in sorted(group) for _ in group[path]]
    positions = [position for path in sorted(group) for position in group[path]]
    path_id, position_id = position_field_ids()
    schema = pa.schema(
        [
            pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(path_id)}),
            pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(position_id)}),
        ]
    )
    content = plain_file(pa.table([paths, positions], schema=schema))
    digest = hashlib.sha256(repr((paths, positions)).encode()).hexdigest()[:16]
    return content, digest, len(paths)
