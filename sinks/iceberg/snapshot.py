"""One new snapshot of a table: files that come, files that go, and which rows are superseded, at once.

PyIceberg appends, overwrites by a filter, and rewrites data files to delete rows. What is committed here it has no call
for: named files replaced by named files together with position deletes. So this is a producer of snapshots beside its
own ones, on the same base; manifests, their lists and the commit are written by PyIceberg.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from pyiceberg.manifest import (
    DataFile,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    ManifestWriterV2,
)
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AssertRefSnapshotId, RemoveSnapshotsUpdate
from pyiceberg.table.update.snapshot import _SnapshotProducer
from pyiceberg.typedef import EMPTY_DICT

_SMALL_ENTRIES = 2_000  # a manifest that has fewer is merged with others
_SMALL_MANIFESTS = 20  # once there are so many of them

Entries = Callable[[ManifestFile], Sequence[ManifestEntry]]  # the live ones of a manifest


class Change(msgspec.Struct):
    """From the current snapshot to the next. `deletes`: all files of positions that are there afterwards."""

    added: list[DataFile]
    removed: set[str]
    deletes: list[DataFile]
    new_deletes: list[DataFile]

    def is_nothing(self, deletes_before: int) -> bool:
        return not (self.added or self.removed or self.new_deletes) and deletes_before == len(self.deletes)


def commit(table: Table, change: Change | None, expired: Sequence[int], entries: Entries) -> None:
    """Commit a change, if there is one, and forget `expired` snapshots, in one step.

    Raises CommitFailedException when another committed first: nothing of this is there then.
    """
    transaction = table.transaction()
    if change is not None:
        _Replacement(transaction, table, change, entries).commit()
    if expired:
        head = table.metadata.snapshot_by_name(MAIN_BRANCH)
        requirement = AssertRefSnapshotId(snapshot_id=head.snapshot_id if head else None, ref=MAIN_BRANCH)
        transaction._stage((RemoveSnapshotsUpdate(snapshot_ids=list(expired)),))
        if change is None:
            transaction._requirements += (requirement,)
    transaction.commit_transaction()


def expirable(table: Table, until_ms: int) -> list[int]:
    """Snapshots that another had followed before `until_ms`."""
    ordered = sorted(table.metadata.snapshots, key=lambda one: (one.sequence_number or 0, one.timestamp_ms))
    current = table.metadata.current_snapshot_id
    return [
        old.snapshot_id for old, new in pairwise(ordered) if new.timestamp_ms <= until_ms and old.snapshot_id != current
    ]


def manifests_of(table: Table, snapshot: Snapshot | None) -> list[ManifestFile]:
    return [] if snapshot is None else list(snapshot.manifests(io=table.io))


class _DeletesWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class _Replacement(_SnapshotProducer["_Replacement"]):
    def __init__(self, transaction: Any, table: Table, change: Change, entries: Entries) -> None:  # noqa: ANN401
        is_append = not change.removed and not change.new_deletes
        super().__init__(Operation.APPEND if is_append else Operation.OVERWRITE, transaction, table.io)
        self._change = change
        self._entries = entries
        current = table.metadata.current_snapshot()
        self._before = manifests_of(table, current)
        self._totals: Mapping[str, str] = EMPTY_DICT if current is None or current.summary is None else current.summary
        self._removed_rows = 0

    def _manifests(self) -> list[ManifestFile]:
        data = [one for one in self._before if one.content == ManifestContent.DATA]
        kept = [made for one in data for made in self._without_removed(one)]
        return [*self._merged([*self._added(), *kept]), *self._deletes()]

    def _added(self) -> list[ManifestFile]:
        return [
            self._written([_entry(ManifestEntryStatus.ADDED, self.snapshot_id, one) for one in files], spec_id)
            for spec_id, files in _by_spec(self._change.added).items()
        ]

    def _without_removed(self, manifest: ManifestFile) -> list[ManifestFile]:
        if not (manifest.has_added_files() or manifest.has_existing_files()):
            return []
        live = self._entries(manifest)
        if not any(one.data_file.file_path in self._change.removed for one in live):
            return [manifest]
        parts = []
        for one in live:
            is_removed = one.data_file.file_path in self._change.removed
            self._removed_rows += one.data_file.record_count if is_removed else 0
            parts.append(
                self._with_status(one, ManifestEntryStatus.DELETED if is_removed else ManifestEntryStatus.EXISTING)
            )
        return [self._written(parts, manifest.partition_spec_id)]

    def _merged(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        """Many small manifests become one, so that a commit and a plan read few."""
        found: list[ManifestFile] = []
        for spec_id in sorted({one.partition_spec_id for one in manifests}):
            of_spec = [one for one in manifests if one.partition_spec_id == spec_id]
            small = [
                one
                for one in of_spec
                if (one.added_files_count or 0) + (one.existing_files_count or 0) < _SMALL_ENTRIES
                and one.added_snapshot_id != self.snapshot_id
            ]
            if len(small) < _SMALL_MANIFESTS:
                found += of_spec
                continue
            merged = [
                self._with_status(entry, ManifestEntryStatus.EXISTING) for one in small for entry in self._entries(one)
            ]
            found += [*(one for one in of_spec if one not in small), self._written(merged, spec_id)]
        return found

    def _deletes(self) -> list[ManifestFile]:
        """One manifest a specification, made anew when anything of it changes."""
        before = [one for one in self._before if one.content == ManifestContent.DELETES]
        old = {entry.data_file.file_path: entry for one in before for entry in self._entries(one)}
        if not self._change.new_deletes and len(old) == len(self._change.deletes):
            return before
        found = []
        for spec_id, files in _by_spec(self._change.deletes).items():
            entries = [
                self._with_status(old[one.file_path], ManifestEntryStatus.EXISTING)
                if one.file_path in old
                else _entry(ManifestEntryStatus.ADDED, self.snapshot_id, one)
                for one in files
            ]
            found.append(self._written(entries, spec_id, are_deletes=True))
        return found

    def _written(self, entries: Sequence[ManifestEntry], spec_id: int, *, are_deletes: bool = False) -> ManifestFile:
        writer: ManifestWriter = self.new_manifest_writer(self.spec(spec_id))
        if are_deletes:
            output = writer._output_file
            writer = _DeletesWriter(self.spec(spec_id), self.schema(), output, self.snapshot_id, self._compression)
        with writer:
            for entry in entries:
                writer.add_entry(entry)
        return writer.to_manifest_file()

    def _with_status(self, entry: ManifestEntry, status: ManifestEntryStatus) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=status,
            snapshot_id=self.snapshot_id if status == ManifestEntryStatus.DELETED else entry.snapshot_id,
            sequence_number=entry.sequence_number,
            file_sequence_number=entry.file_sequence_number,
            data_file=entry.data_file,
        )

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        added, removed = self._change.added, self._change.removed
        rows = sum(one.record_count for one in added)
        superseded = sum(one.record_count for one in self._change.deletes)
        totals = {
            "total-data-files": self._total("total-data-files") + len(added) - len(removed),
            "total-records": self._total("total-records") + rows - self._removed_rows,
            "total-delete-files": len(self._change.deletes),
            "total-position-deletes": superseded,
            "total-equality-deletes": 0,
        }
        counts = {
            "added-data-files": len(added),
            "added-records": rows,
            "deleted-data-files": len(removed),
            "deleted-records": self._removed_rows,
            "added-delete-files": len(self._change.new_deletes),
        }
        said = {name: str(count) for name, count in (counts | totals).items()}
        return Summary(operation=self._operation, **said, **snapshot_properties)

    def _total(self, name: str) -> int:
        return int(self._totals.get(name) or 0)

    def _validate_concurrency(self) -> None:
        """A commit after another's fails; then everything is worked out anew."""

    def _deleted_entries(self) -> list[ManifestEntry]:
        raise NotImplementedError("`_manifests` writes them")

    def _existing_manifests(self) -> list[ManifestFile]:
        raise NotImplementedError("`_manifests` writes them")


def _entry(status: ManifestEntryStatus, snapshot_id: int, file: DataFile) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=status, snapshot_id=snapshot_id, sequence_number=None, file_sequence_number=None, data_file=file
    )


def _by_spec(files: Sequence[DataFile]) -> dict[int, list[DataFile]]:
    found: dict[int, list[DataFile]] = {}
    for one in files:
        found.setdefault(one.spec_id, []).append(one)
    return found
