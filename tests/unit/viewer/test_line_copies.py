"""A narrow copy says what its file says, and goes with it."""

import pytest

from schemas.keys import FIRST_REVISIONS, table_key
from tests.serve.lakes import DAY
from tests.unit.lake.test_table_scan import put
from tests.unit.viewer.test_found_windows import Lake
from viewer import line_copies
from viewer.filters import Wanted, condition
from viewer.line_copy import can_be_asked
from viewer.listed import LINES, WINDOW_HASH


def copied(lake: Lake) -> list[str]:
    """The copies that there are, after all were made."""
    lake.make_copies()
    return sorted(path.name for path in lake.folder.iterdir())


WORDS = ("pay", "PAY".lower(), "é", "später", "a b", "%", "\\", "none", "x" * 100)


def test_words_are_found_in_copies_as_in_files(lake: Lake) -> None:
    names = ("Pay now", "PAY later", None, "É, SPÄTER", "a b%\\c", "", "Pay now")
    rows = ({"action_name": name, "session_id": f"{n % 5}", "app_id": f"a{n % 2}"} for n, name in enumerate(names))
    put(lake.store, "actions", "0", *rows)
    put(lake.store, "actions", "1", {"action_name": "pay", "session_id": "u"})
    put(lake.store, "actions", "2", {"action_name": None})
    by_app = {apps: lake.counts("actions", *WORDS, apps=apps) for apps in (None, frozenset({"a1"}), frozenset[str]())}
    assert by_app[None][0] == 4
    assert len(copied(lake)) == 3
    for apps, counts in by_app.items():
        lake.forget()
        assert lake.counts("actions", *WORDS, apps=apps) == counts
        assert lake.asked == []


def test_a_copy_has_no_row_that_is_replaced(lake: Lake) -> None:
    first = {"view_id": "v", "view_name": "basket"}
    put(lake.store, "views", f"0{FIRST_REVISIONS}", first)
    put(lake.store, "views", f"1{FIRST_REVISIONS}", {"view_id": "w", "view_name": "basket", "session_id": "t"})
    before = copied(lake)
    assert lake.counts("views", "basket", "checkout") == [2, 0]
    put(lake.store, "views", "2", {**first, "view_name": "checkout", "revision": 1})
    lake.forget()
    assert lake.counts("views", "basket", "checkout") == [1, 1]
    assert sorted(lake.asked) == [f"0{FIRST_REVISIONS}", f"1{FIRST_REVISIONS}", "2"]
    assert not set(copied(lake)) & set(before)
    lake.forget()
    assert lake.counts("views", "basket", "checkout") == [1, 1]
    assert lake.asked == []


def test_a_copy_goes_with_its_file(lake: Lake) -> None:
    put(lake.store, "actions", "0", {"action_name": "pay"})
    put(lake.store, "actions", "1", {"action_name": "pay", "session_id": "t"})
    assert len(copied(lake)) == 2
    lake.store.delete([table_key("actions", 14, DAY, "0")])
    lake.forget()
    assert len(copied(lake)) == 1
    assert lake.counts("actions", "pay") == [1]
    assert lake.asked == []


def test_a_damaged_copy_and_a_damaged_file_cost_themselves(lake: Lake) -> None:
    put(lake.store, "actions", "0", {"action_name": "pay"})
    whole = lake.store.read(put(lake.store, "actions", "1", *({"action_name": f"pay {n}"} for n in range(50))))
    lake.store.put(
        {table_key("actions", 14, DAY, "1"): whole[:4] + bytes(len(whole) // 2 - 4) + whole[len(whole) // 2 :]}
    )
    put(lake.store, "actions", "2", {"action_name": "pay", "session_id": "t"})
    first, second = copied(lake)
    (lake.folder / first).write_bytes(b"garbage")
    lake.forget()
    assert lake.counts("actions", "pay") == [2]
    assert len(lake.asked) == 1
    assert copied(lake) == [first, second]


def test_a_small_file_has_no_copy(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_copies, "_LEAST_BYTES", 1 << 20)
    put(lake.store, "actions", "0", {"action_name": "pay"})
    assert copied(lake) == []


FILTERS = (
    Wanted(None, is_=("action_name:Pay",)),
    Wanted(None, is_=("action_name:pay", "action_name:Menu")),
    Wanted(None, is_=("action_name:",)),
    Wanted(None, not_=("action_name:Pay",)),
    Wanted(None, not_=("action_name:",)),
    Wanted(None, is_=("action_name:Pay",), not_=("action_type:click",)),
    Wanted(frozenset({"a1"}), is_=("action_type:click",)),
    Wanted(None, "a0"),
)


def test_rows_are_found_in_copies_as_in_files(lake: Lake) -> None:
    of = LINES["actions"]
    names = ("Pay", "pay", "", None, "Menu")
    rows = (
        {"action_name": name, "action_type": kind, "session_id": f"{n}{kind}", "app_id": f"a{n % 2}"}
        for n, name in enumerate(names)
        for kind in ("click", None)
    )
    put(lake.store, "actions", "0", *rows)
    assert len(copied(lake)) == 1
    for wanted in FILTERS:
        assert can_be_asked("actions", wanted)
        with lake.lines.asking(wanted, of) as ask:
            (copy,) = lake.copies.every(ask) or []
            own = condition(wanted, of)
            sql = f"SELECT DISTINCT {WINDOW_HASH} AS window_hash FROM lines WHERE {own.sql}"
            columns = ["app_id", "session_id", "session_part", "action_name", "action_type"]
            expected = ask(sql, own.params, columns)["window_hash"].to_pylist()
        assert sorted(copy.windows(copy.rows(wanted)).to_pylist()) == sorted(expected), wanted
    assert not can_be_asked("actions", Wanted(None, gt=("duration:1",)))
    assert not can_be_asked("actions", Wanted(None, is_=("userid:u",)))
    assert not can_be_asked("long_tasks", Wanted(None))
