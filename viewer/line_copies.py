"""Narrow copies (`viewer.line_copy`) of the larger files of lines, on local disk.

They are never needed. A copy is made in the background, of what rows of a file depend on (`Part`), which never changes;
a file without one is asked itself. It goes with its file.

    lines/NAME.arrow    an Arrow file of one batch, not compressed; NAME is a hash of lake, layout, table and part
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa

from lake.block_files import Question
from lake.table_scan import Part, TableScan
from schemas.tables import TABLES
from schemas.units import GIB, MIB
from sinks.store import ObjectInfo, ObjectMissing
from viewer.filters import Wanted
from viewer.line_copy import COPIED, LineCopy, can_be_asked, copied
from viewer.line_explorer import AskLines
from viewer.shared_cache import SharedCache

_LAYOUT = 1  # goes up when what is in a copy changes, but not what is named in COPIED
_LEAST_BYTES = 1 * MIB  # of a file: smaller ones are merged soon, and read quickly
_OPEN_MAX = 512
_REST_BYTES = 16 * MIB
_QUESTION_BYTES = 64 * GIB
_SPARE_BYTES = 1 * GIB  # of the disk: the index needs it more
_ENDING = ".arrow"
Answer = TypeVar("Answer")
_Making = tuple[str, Part, Mapping[Part, ObjectInfo]]  # a table, a part of it, and all its files
_log = logging.getLogger("replaylake.serve")


class Split(msgspec.Struct, frozen=True):
    """Copies, and files of which there are none: the first `count` of `files`, then what can replace rows of them."""

    copies: list[LineCopy]
    files: list[ObjectInfo]
    count: int


class LineCopies:
    """All copies of a lake, in a folder of this process. `of` in any thread, `look` and `make` in one."""

    def __init__(self, folder: Path, scan: TableScan, lake: str) -> None:
        self._folder = folder
        self._scan = scan
        self._lake = lake
        self._there: set[str] = set()  # names
        self._missing: list[_Making] = []  # the next one last
        self._open = SharedCache[str, LineCopy](_OPEN_MAX, lambda _: 1)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def made(self) -> int:
        """How many there are."""
        return len(self._there)

    @property
    def missing(self) -> int:
        """How many are still to be made, as far as is known."""
        return len(self._missing)

    def of(self, table: str, part: Part) -> LineCopy | None:
        """The copy of a part, if there is one."""
        name = self._name(table, part)
        if name not in self._there:
            return None
        try:
            return self._open.get(name, lambda: _opened(self._folder / name))
        except (OSError, pa.ArrowException) as error:
            _log.warning("a copy of lines is not used: %s", error)
            self._there.discard(name)
            (self._folder / name).unlink(missing_ok=True)
            return None

    def every(self, ask: AskLines) -> list[LineCopy] | None:
        """All rows that a question asks for: small files without a copy are copied now; None when that is too much.

        In `ask.steadily`.
        """
        split = self.split(ask)
        if sum(one.size for one in split.files[: split.count]) > _REST_BYTES:
            return None
        if not split.count:
            return split.copies
        return [*split.copies, LineCopy(copied(self._scan, ask.table, split.files, split.count, ask.question))]

    def counted(
        self, ask: AskLines, wanted: Wanted, count: Callable[[Sequence[LineCopy]], Answer], columns: Sequence[str] = ()
    ) -> Answer | None:
        """What is counted in copies; None when they cannot be asked that, or are not there. `columns`: a filter may
        name only these.
        """
        if not can_be_asked(ask.table, wanted, columns):
            return None

        def of_every() -> Answer | None:
            copies = self.every(ask)
            return None if copies is None else count(copies)

        return ask.steadily(of_every)

    def split(self, ask: AskLines) -> "Split":
        """The copies of what a question asks for, and the files that have none. In `ask.steadily`."""
        parts = ask.parts()
        found = {part: self.of(ask.table, part) for part in parts}
        rest = [part for part, copy in found.items() if copy is None]
        copies = [copy for copy in found.values() if copy is not None]
        return Split(copies, _with_replacing(rest, parts) if rest else [], len(rest))

    def look(self) -> None:
        """See which are missing, and delete those of what is gone. Raises StoreError, LakeRestless."""
        wanted: dict[str, _Making] = {}
        for table in COPIED:
            parts = self._scan.large_parts(table, _LEAST_BYTES, Question(_QUESTION_BYTES))
            wanted |= {
                self._name(table, part): (table, part, parts) for part in parts if parts[part].size >= _LEAST_BYTES
            }
        for path in list(self._folder.iterdir()):
            if path.name not in wanted:
                self._there.discard(path.name)
                self._open.drop(path.name.__eq__)
                path.unlink(missing_ok=True)
            else:
                self._there.add(path.name)
        self._missing = [one for name, one in reversed(wanted.items()) if name not in self._there]

    def make(self) -> bool:
        """Make the next one; whether there are more. Raises StoreError, TooMuch, Damaged, OSError."""
        if not self._missing:
            return False
        if shutil.disk_usage(self._folder).free < _SPARE_BYTES:
            _log.warning("no copies of lines are made: the disk of %s is nearly full", self._folder)
            return False
        table, part, parts = self._missing.pop()
        name = self._name(table, part)
        try:
            rows = copied(self._scan, table, _with_replacing([part], parts), 1, Question(_QUESTION_BYTES))
        except ObjectMissing:  # the next look sees that it is gone
            return bool(self._missing)
        _write(rows, self._folder / name)
        self._there.add(name)
        return bool(self._missing)

    def _name(self, table: str, part: Part) -> str:
        made_of = (self._lake, _LAYOUT, TABLES[table].version, COPIED[table], table, part[0], sorted(part[1]))
        return hashlib.blake2b(repr(made_of).encode(), digest_size=16).hexdigest() + _ENDING


def _with_replacing(some: Sequence[Part], parts: Mapping[Part, ObjectInfo]) -> list[ObjectInfo]:
    """The files of some parts, then those that can replace rows of them."""
    names = {name for name, _ in some}
    replacing = {name for _, names in some for name in names} - names
    return [parts[part] for part in some] + [one for (name, _), one in parts.items() if name in replacing]


def _write(rows: pa.RecordBatch, path: Path) -> None:
    """Whole or not at all."""
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        with pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_batch(rows)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def _opened(path: Path) -> LineCopy:
    with pa.ipc.open_file(pa.memory_map(str(path))) as file:
        return LineCopy(file.get_batch(0))
