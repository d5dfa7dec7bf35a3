"""A long epoch does not fill the memory: what waits for its end is put away earlier, and the lake is the same."""

import zlib
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operators.decode import decode
from operators.windows.tracker import Activation
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Rejected, RejectReason
from schemas.keys import FIRST_REVISIONS, PACKS, STAGING
from schemas.pack import PackEntry
from schemas.retention import Retention
from sinks.packs import PackStore
from sinks.store import LocalStore
from sinks.tables import Row, Rows
from sinks.writer import LakeLimits, LakeWriter, Refusal, ShardPlace
from tests.required_columns import required

T0 = 1_795_230_000_000


def test_rows_give_the_same_file_however_many_are_kept_loose() -> None:
    rows: list[Row] = [
        required("errors")
        | {"session_id": f"s-{number * 7 % 10}", "time": number, "view_id": "v" if number % 3 else ""}
        for number in range(50)
    ]
    rows[30]["custom"] = {"only": "here"}
    files = {loose_max: _taken("errors", rows, loose_max) for loose_max in (1, 7, 1_000)}
    assert files[1] == files[7] == files[1_000]
    ((_, content, _),) = files[7]
    assert pq.read_table(pa.BufferReader(content)).num_rows == len(rows)


@pytest.mark.parametrize(("revisions", "mark"), [([0, 0, 0], FIRST_REVISIONS), ([1, 0, 0], ""), ([0, 0, 1], "")])
def test_a_file_is_marked_only_when_all_its_rows_are_first_revisions(revisions: list[int], mark: str) -> None:
    rows = [required("sessions") | {"revision": revision} for revision in revisions]
    assert [found for _, _, found in _taken("sessions", rows, loose_max=1)] == [mark]


def test_a_column_that_is_not_declared_is_named() -> None:
    with pytest.raises(ValueError, match=r"no column.*shoe_size"):
        _taken("errors", [required("errors") | {"shoe_size": 43}], loose_max=1)


def test_refused_bodies_do_not_wait_for_the_end_of_the_epoch(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    limits = LakeLimits(blob_bytes=1_000)
    writer = LakeWriter(ShardPlace(store, PackStore(store, None, 0), "0000", "test"), Retention(), limits)
    staged = []
    for offset in range(6):
        writer.refuse([Refusal("rum", 0, offset, 0, Rejected(RejectReason.MALFORMED_JSON, "x", b"x" * 400))])
        writer.take(Activation(0, 0, [], []))
        staged.append(len(list(store.list(STAGING))))
    writer.stage()
    writer.publish()
    assert staged == [0, 0, 1, 1, 1, 2]
    files = [pq.ParquetFile(path).read() for path in tmp_path.glob("tables/quarantine/*/*/*.parquet")]
    assert sorted(offset for file in files for offset in file["offset"].to_pylist()) == list(range(6))


@pytest.mark.parametrize(("inputs", "packs"), [(0, 0), (1_000, 1)])
def test_what_was_read_of_segments_counts_for_the_pack(inputs: int, packs: int, tmp_path: Path) -> None:
    """A thousand clicks of a segment compress to little, and take a hundred times as much in memory."""
    clicks = [{"type": 3, "timestamp": T0 + number, "data": {"source": 2}} for number in range(1_000)]
    records = clicks if inputs else [{**click, "data": {"source": 0}} for click in clicks]
    fields = {
        **dict.fromkeys(("app_id", "session_id", "view_id"), b"x"),
        "index_in_view": b"0",
        "start": b"%d" % T0,
        "end": b"%d" % (T0 + 1_000),
        "records_count": b"1000",
        "has_full_snapshot": b"true",
    }
    body = zlib.compress(msgspec.json.encode({"records": records}))
    [item] = decode(Message("guance.replay", fields, body, T0), Limits())
    assert isinstance(item, Item)
    store = LocalStore(tmp_path)
    limits = LakeLimits(pack_bytes=len(body) + 39 * 1_000)
    writer = LakeWriter(ShardPlace(store, PackStore(store, None, 0), "0000", "test"), Retention(), limits)
    writer.take(Activation(0, T0, [PackEntry(0, "rum", 0, item)], []))
    assert len(list(store.list(PACKS))) == packs


def _taken(table: str, rows: list[Row], loose_max: int) -> list[tuple[object, bytes, str]]:
    waiting = Rows(loose_max=loose_max)
    for row in rows:
        waiting.add(table, 14, "2026-11-21", [dict(row)])
    return list(waiting.take())
