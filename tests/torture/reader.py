"""A reader that looks at all tables while the job is tortured, as BI and the replay service would."""

import contextlib
import threading
import traceback
from typing import Self

import msgspec

from lake.catalog import read_file
from schemas.keys import TABLES
from sinks.store import ObjectMissing, ObjectStore, StoreUnavailable

_PAUSE_SECONDS = 0.3  # between two looks
Revision = tuple[str, str, int, int]


class Seen(msgspec.Struct):
    """What the reader has seen, and what it should never see."""

    looks: int = 0
    files: int = 0
    rows: int = 0
    problems: list[str] = msgspec.field(default_factory=list)


class Reader:
    """Polls in a thread of its own until the block ends; reads every file once, lists all of them every time."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._files: set[str] = set()
        self._revisions: dict[Revision, str] = {}
        self._blobs: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self.seen = Seen()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(_PAUSE_SECONDS):
                with contextlib.suppress(StoreUnavailable):  # the next look sees what this one could not
                    self._look()
        except Exception:  # noqa: BLE001 - a reader that fails is the finding
            self.seen.problems.append(traceback.format_exc())

    def _look(self) -> None:
        self.seen.looks += 1
        listed = {(one.key.split("/")[1], one.key) for one in self._store.list(TABLES)}
        keys = {key for _, key in listed}
        for key in self._files - keys:
            self.seen.problems.append(f"{key} has vanished")
        for table, key in sorted(listed):
            if key not in self._files:
                self._read(table, key)
                self._files.add(key)

    def _read(self, table: str, key: str) -> None:
        self.seen.files += 1
        rows = read_file(self._store, key, table).to_pylist()
        self.seen.rows += len(rows)
        for row in rows:
            if table == "sessions":
                revision = (row["app_id"], row["session_id"], row["session_part"], row["revision"])
                if self._revisions.get(revision, key) != key:
                    self.seen.problems.append(f"{revision} is in {key} and in {self._revisions[revision]}")
                self._revisions[revision] = key
            elif table == "replay_segments":
                end = row["frame_offset"] + row["frame_length"]
                if self._size(row["replay_key"]) < end:
                    self.seen.problems.append(f"{key} points beyond the end of {row['replay_key']}")

    def _size(self, key: str) -> int:
        if key not in self._blobs:
            try:
                self._blobs[key] = self._store.size(key)
            except ObjectMissing:
                return -1
        return self._blobs[key]
