"""Files of the sessions table, a piece at a time, as the index takes them; and what is wrong with one."""

from collections.abc import Iterator
from enum import StrEnum

import pyarrow as pa

from schemas.errors import Damaged
from schemas.tables import TABLES
from schemas.units import MIB
from sinks.range_file import RangeFile
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore, StoreError
from sinks.table_files import pieces
from sinks.tables import declared_columns

SMALL_BYTES = 1 * MIB  # such a file is one request
_PIECE_ROWS = 40_000
_NEEDED = [field.name for field in TABLES["sessions"].fields if not field.nullable and field.since == 1]
_VERSION = b"replaylake.version"


class Reason(StrEnum):
    """Why a listed file is not in the list of sessions."""

    DAMAGED = "damaged"  # it is no Parquet, or a broken one
    FOREIGN = "foreign"  # columns are missing that every file has, or are of another type
    MISSING = "missing"  # it was listed and is gone
    UNREADABLE = "unreadable"  # the store fails or refuses to give it
    REFUSED = "refused"  # the index cannot hold its rows

    @property
    def may_pass(self) -> bool:
        """Whether it is worth another try though the file has not changed."""
        return self in {Reason.MISSING, Reason.UNREADABLE}


class LeftOut(Damaged):
    """A file that cannot be taken; the text says what is wrong with it."""

    def __init__(self, reason: Reason, detail: object) -> None:
        super().__init__(str(detail).splitlines()[0][:200] if str(detail) else reason.value)
        self.reason = reason


def content(store: ObjectStore, found: ObjectInfo) -> bytes | LeftOut:
    """A small file."""
    try:
        return store.read(found.key)
    except ObjectMissing as error:
        return LeftOut(Reason.MISSING, error)
    except StoreError as error:
        return LeftOut(Reason.UNREADABLE, error)


def rows(store: ObjectStore, found: ObjectInfo, small: bytes | None) -> Iterator[pa.Table]:
    """Its rows with the columns of today's schema. `small`: its content, where that was read. Raises LeftOut."""
    source = RangeFile(store, found.key, found.size) if small is None else small
    try:
        for piece in pieces(source, _PIECE_ROWS):
            piece.validate(full=True)  # text that is not UTF-8 would end DuckDB's database
            yield _declared(piece)
    except LeftOut:
        raise
    except ObjectMissing as error:
        raise LeftOut(Reason.MISSING, error) from error
    except StoreError as error:
        raise LeftOut(Reason.UNREADABLE, error) from error
    except Exception as error:  # a decoder may raise anything over bytes that are not what they should be
        raise LeftOut(Reason.DAMAGED, f"{type(error).__name__}: {error}") from error


def is_newer(piece: pa.Table) -> bool:
    """Whether a later release wrote it. Its columns of later versions are not known here; a version only adds some."""
    version = (piece.schema.metadata or {}).get(_VERSION, b"")
    return version.isdigit() and int(version) > TABLES["sessions"].version


def _declared(piece: pa.Table) -> pa.Table:
    missing = [name for name in _NEEDED if name not in piece.column_names or piece[name].null_count]
    if missing:
        raise LeftOut(Reason.FOREIGN, f"it has no {', '.join(missing[:5])}, or not in every row")
    try:
        metadata = piece.schema.metadata
        return declared_columns(piece, "sessions").replace_schema_metadata(metadata)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise LeftOut(Reason.FOREIGN, error) from error
