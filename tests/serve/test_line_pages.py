"""A page of a list is whole whatever happens to the files between finding its rows and reading them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lake.block_files import Question
from lake.line_tables import LineTables
from lake.read_limits import ReadLimits
from lake.table_scan import RowsAt, TableScan
from schemas.keys import table_key
from sinks.store import LocalStore
from sinks.tables import encode_rows
from tests.required_columns import required
from tests.serve.lakes import DAY, START_MS
from viewer import line_copies
from viewer.error_groups import ErrorGroups
from viewer.filters import Wanted
from viewer.line_copies import LineCopies
from viewer.line_explorer import LineExplorer
from viewer.options import QuestionLimits
from viewer.questions import Questions

EVERYTHING = Wanted(apps=None)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def tables(store: LocalStore) -> Iterator[LineTables]:
    tables = LineTables(store, ReadLimits(), lambda: 1000.0, 10)
    yield tables
    tables.close()


@pytest.fixture
def lines(tables: LineTables) -> LineExplorer:
    return LineExplorer(tables.scan, Questions(QuestionLimits()), 1 << 30)


def put(store: LocalStore, name: str, *ids: str) -> str:
    usual = {**required("errors"), "app_id": "shop", "session_id": "s", "session_part": 0, "revision": 0}
    key = table_key("errors", 14, DAY, name)
    rows = [
        {
            **usual,
            "error_id": one,
            "time": START_MS * 1000,
            "error_fingerprint": one,
            "error_message": f"it broke: {one}" * 9,
        }
        for one in ids
    ]
    store.put({key: encode_rows("errors", rows)})
    return key


def ids(page: Mapping[str, Any]) -> list[str]:
    return sorted(row["error_id"] for row in page["errors"])


def test_files_that_were_merged_meanwhile_are_listed_again(
    store: LocalStore, tables: LineTables, lines: LineExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "0", "a")
    put(store, "1", "b")
    read: Callable[..., RowsAt] = TableScan.rows
    merged: list[str] = []

    def first_merged(
        scan: TableScan, table: str, numbers: Mapping[str, Sequence[int]], question: Question, without: Sequence[str]
    ) -> RowsAt:
        if not merged:
            merged.append(put(store, "2", "a", "b"))
            store.delete([table_key("errors", 14, DAY, name) for name in "01"])
            tables.blocks._held.clear()
        return read(scan, table, numbers, question, without)

    monkeypatch.setattr(TableScan, "rows", first_merged)
    page = lines.page("errors", EVERYTHING, "-time", 10, "")
    assert merged
    assert (ids(page), page["total"]) == (["a", "b"], 2)


def test_a_file_whose_damage_shows_in_other_columns_is_left_out(
    store: LocalStore, tables: LineTables, lines: LineExplorer
) -> None:
    put(store, "0", "good")
    key = put(store, "1", "bad")
    content = bytearray(store.read(key))
    group = pq.read_metadata(store._path(key)).row_group(0)
    chunk = next(one for n in range(group.num_columns) if (one := group.column(n)).path_in_schema == "error_message")
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    store.put({key: bytes(content)})
    page = lines.page("errors", EVERYTHING, "-time", 10, "")
    assert (ids(page), page["total"]) == (["good"], 1)
    assert tables.scan.counts.unreadable == 1


@pytest.mark.parametrize("is_copied", [False, True])
def test_a_group_that_is_erased_between_two_looks_is_left_out(  # noqa: PLR0913 - its parts
    store: LocalStore,
    tables: LineTables,
    lines: LineExplorer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_copied: bool,  # noqa: FBT001
) -> None:
    put(store, "0", "a")
    key = put(store, "1", "b")
    looked: Callable[..., Any] = TableScan._of
    looks = []

    def then_erased(scan: TableScan, *given: object) -> object:
        looks.append(given)
        found = looked(scan, *given)
        store.delete([key])
        scan.list_again("errors")
        return found

    monkeypatch.setattr(TableScan, "_of", then_erased)
    if not is_copied:
        monkeypatch.setattr(line_copies, "can_be_asked", lambda *_: False)
    copies = LineCopies(tmp_path / "copies", tables.scan, store.uri)
    groups = ErrorGroups(lines, copies).page(EVERYTHING, "-count", 10)["groups"]
    assert len(looks) > 1
    assert isinstance(groups, list)
    assert [group["fingerprint"] for group in groups] == ["a"]
