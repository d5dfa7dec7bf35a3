"""What happened in which windows is looked up once a file, exactly, and within bounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake.block_files import TooMuch
from lake.line_tables import LineTables
from lake.read_limits import ReadLimits
from schemas.keys import FIRST_REVISIONS, table_key
from schemas.units import MIB
from sinks.store import LocalStore, ObjectInfo, StoreUnavailable
from tests.serve.lakes import DAY
from tests.unit.lake.test_table_scan import Clock, put
from viewer.filters import Wanted, condition, has_word
from viewer.found_windows import FoundWindows, Looked
from viewer.happened import in_copies
from viewer.line_copies import LineCopies
from viewer.line_explorer import LineExplorer
from viewer.listed import HAPPENED, LINES
from viewer.options import QuestionLimits
from viewer.questions import Questions


class Lake:
    """Words that are looked for, and the files in which that was done."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.store = LocalStore(folder)
        self.clock = Clock()
        self.tables = LineTables(self.store, ReadLimits(), lambda: self.clock.seconds, 10)
        self.lines = LineExplorer(self.tables.scan, Questions(QuestionLimits()), 1 << 30)
        self.folder = folder.parent / "copies"
        self.copies = LineCopies(self.folder, self.tables.scan, self.store.uri)
        self.forget()
        self.asked: list[str] = []
        ask_of = self.tables.scan.ask_of

        def noted(files: Sequence[ObjectInfo], *more: Any) -> pa.Table:
            self.asked += [one.key.rpartition("/")[2].removesuffix(".parquet") for one in files]
            return ask_of(files, *more)

        patch.setattr(self.tables.scan, "ask_of", noted)

    def forget(self) -> None:
        """What was found, but not what was copied."""
        self.windows = FoundWindows(self.copies)

    def make_copies(self) -> None:
        """Of every file that has none."""
        self.clock.seconds += 60
        self.copies.look()
        while self.copies.make():
            pass

    def look(self, table: str, *words: str, limit_bytes: int = MIB, apps: frozenset[str] | None = None) -> Looked:
        self.clock.seconds += 60
        self.asked.clear()
        of, columns, among = LINES[table], HAPPENED[table], Wanted(apps)
        conditions = [has_word(columns, word) for word in words]
        in_copy = [in_copies(columns, word, among) for word in words]
        with self.lines.asking(among, of) as ask:
            return self.windows.look(ask, condition(among), conditions, ["app_id", *columns], limit_bytes, in_copy)

    def counts(self, table: str, *words: str, apps: frozenset[str] | None = None) -> list[int]:
        """Windows with each word."""
        looked = self.look(table, *words, apps=apps)
        assert looked.trouble is None
        return [len(set(one["window_hash"].to_pylist())) for one in looked.windows]


def test_a_new_file_costs_itself_alone(lake: Lake) -> None:
    put(lake.store, "actions", "0", {"action_name": "Pay now"}, {"action_name": "PAY later"})
    put(lake.store, "actions", "1", {"action_name": "Menu", "session_id": "t"})
    assert lake.counts("actions", "pay") == [1]
    assert sorted(lake.asked) == ["0", "1"]
    put(lake.store, "actions", "2", {"action_name": "pay", "session_id": "u"})
    assert lake.counts("actions", "pay") == [2]
    assert lake.asked == ["2"]
    assert lake.counts("actions", "pay") == [2]
    assert lake.asked == []
    lake.store.delete([table_key("actions", 14, DAY, "0")])
    assert lake.counts("actions", "pay") == [1]
    assert lake.asked == []


def test_words_are_looked_for_together_and_kept_apart(lake: Lake) -> None:
    put(lake.store, "errors", "0", {"error_type": "TypeError", "error_message": "x is undefined"}, {"session_id": "t"})
    put(lake.store, "errors", "1", {"error_type": "RangeError", "error_message": "x", "session_id": "u"})
    assert lake.counts("errors", "typeerror", "x", "error", "none", "%") == [1, 2, 2, 0, 0]
    assert sorted(lake.asked) == ["0", "1"]
    assert lake.counts("errors", "x") == [2]
    assert lake.asked == []
    assert lake.counts("errors", "x", "range") == [2, 1]
    assert sorted(lake.asked) == ["0", "1"]


def test_a_revision_of_a_view_takes_its_word_away_from_a_file_that_never_changed(lake: Lake) -> None:
    first = {"view_id": "v", "view_name": "basket"}
    put(lake.store, "views", f"0{FIRST_REVISIONS}", first)
    put(lake.store, "views", f"1{FIRST_REVISIONS}", {"view_id": "w", "view_name": "basket", "session_id": "t"})
    assert lake.counts("views", "basket", "checkout") == [2, 0]
    put(lake.store, "views", "2", {**first, "view_name": "checkout", "revision": 1})
    assert lake.counts("views", "basket", "checkout") == [1, 1]
    put(lake.store, "views", f"3{FIRST_REVISIONS}", {"view_id": "x", "view_name": "basket", "session_id": "u"})
    assert lake.counts("views", "basket", "checkout") == [2, 1]
    assert sorted(lake.asked) == ["2", f"3{FIRST_REVISIONS}"]  # and what may replace rows of it


def test_a_damaged_file_costs_itself(lake: Lake) -> None:
    put(lake.store, "actions", "0", {"action_name": "pay"})
    whole = lake.store.read(put(lake.store, "actions", "1", *({"action_name": f"pay {n}"} for n in range(50))))
    torn = whole[:4] + bytes(len(whole) // 2 - 4) + whole[len(whole) // 2 :]
    lake.store.put({table_key("actions", 14, DAY, "1"): torn})
    put(lake.store, "actions", "2", {"action_name": "pay", "session_id": "t"})
    assert lake.counts("actions", "pay") == [2]
    assert lake.counts("actions", "pay") == [2]
    assert lake.asked == []


def test_what_was_found_within_the_bound_is_told_with_the_reason_why_it_is_not_all(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.found_windows._BATCH_FILES", 1)
    for number in range(4):
        put(lake.store, "actions", str(number), {"action_name": "pay", "session_id": str(number)})
    looked = lake.look("actions", "pay", limit_bytes=8)
    assert isinstance(looked.trouble, TooMuch)
    assert looked.windows[0].num_rows == len(lake.asked) == 2
    assert lake.counts("actions", "pay") == [4]
    assert len(lake.asked) == 2


def test_a_store_that_fails_is_told_and_what_is_known_is_still_found(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake.store, "actions", "0", {"action_name": "pay"})
    assert lake.counts("actions", "pay") == [1]
    put(lake.store, "actions", "1", {"action_name": "pay", "session_id": "t"})
    lake.tables.blocks._held.clear()

    def fail(*_: object) -> bytes:
        raise StoreUnavailable("away")

    monkeypatch.setattr(lake.tables.blocks, "read", fail)
    looked = lake.look("actions", "pay")
    assert isinstance(looked.trouble, StoreUnavailable)
