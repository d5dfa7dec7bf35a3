"""How long a listing of a day is remembered, and how many are."""

from pathlib import Path

import pytest

from lake import day_files
from lake.day_files import DayFiles
from schemas.keys import table_key
from sinks.store import LocalStore

_DAYS = ["2026-11-18", "2026-11-19", "2026-11-20"]


class Store(LocalStore):
    """Counts looks at the classes of a table."""

    looks = 0

    def folders(self, prefix: str, *, with_old: bool = False) -> list[str]:
        self.looks += 1
        return list(super().folders(prefix, with_old=with_old))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "lake")
    for days in (3, 14):
        store.put({table_key("views", days, day, f"of-{days}"): b"x" for day in _DAYS})
    return store


def test_a_day_has_the_files_of_every_class_and_of_no_other_day(store: Store) -> None:
    found = DayFiles(store, ["views", "errors"], lambda: 0.0, 10).of(_DAYS[1], 0)
    assert [one.key for one in found["views"]] == [table_key("views", days, _DAYS[1], f"of-{days}") for days in (14, 3)]
    assert found["errors"] == []


def test_a_look_is_good_for_a_while_unless_there_is_news_or_it_is_forgotten(store: Store) -> None:
    now = [0.0]
    days = DayFiles(store, ["views"], lambda: now[0], 10)
    looks = []
    for seconds, news in ((0, 0), (10, 0), (10.5, 0), (11, 1), (12, 0), (1, 1)):
        now[0] = seconds
        days.of(_DAYS[0], news)
        looks.append(store.looks)
    assert looks == [1, 1, 2, 3, 3, 4]  # the last: the clock was set back
    days.forget(_DAYS[0])
    days.of(_DAYS[0], 1)
    assert store.looks == 5


def test_no_more_files_are_remembered_than_the_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_files, "_FILES_MAX", 6)  # of two days: two files and a look each
    days = DayFiles(store, ["views"], lambda: 0.0, 10)
    for day in (*_DAYS, _DAYS[2], _DAYS[1]):
        days.of(day, 0)
    assert store.looks == 3
    days.of(_DAYS[0], 0)
    assert store.looks == 4
