"""A lake that is there is opened; anything else ends in a line that names it."""

from pathlib import Path

import pytest

from schemas.keys import FOLDERS
from sinks.open_store import NoLake, open_lake, open_store
from sinks.store import LocalStore, ObjectMissing, StoreRefused, StoreUnavailable


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_a_folder_with_any_of_the_lakes_folders_is_a_lake(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    assert open_lake(str(tmp_path)).uri == str(tmp_path)


def test_an_empty_folder_or_one_with_other_things_is_not_a_lake(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "tables").write_text("a file")
    with pytest.raises(NoLake, match=rf"no lake at {tmp_path}: neither tables/ nor _job/"):
        open_lake(str(tmp_path))


def test_what_is_not_there_or_is_a_file_is_not_a_lake(tmp_path: Path) -> None:
    with pytest.raises(NoLake, match="no such folder"):
        open_lake(str(tmp_path / "none"))
    (tmp_path / "file").write_text("")
    with pytest.raises(NoLake, match="it is a file"):
        open_lake(str(tmp_path / "file"))


def test_a_store_that_is_to_be_made_needs_no_folder(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "new"))
    assert list(store.list("tables/")) == []
    assert store.folders("") == []


def test_a_file_where_a_folder_should_be_is_said_with_lake_and_key(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("")
    store = LocalStore(tmp_path)
    with pytest.raises(StoreRefused, match=rf"lake {tmp_path}: cannot write 'tables/x': "):
        store.put({"tables/x": b""})
    with pytest.raises(ObjectMissing):
        store.read("tables/x")
    assert not store.exists("tables/x")


def test_a_link_that_leads_nowhere_and_a_loop_are_said(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StoreRefused, match="cannot read 'loop'"):
        LocalStore(tmp_path).read("loop")


def test_a_full_disk_may_have_room_later(tmp_path: Path) -> None:
    error = LocalStore(tmp_path)._fault("write", "x", OSError(28, "No space left on device"))
    assert isinstance(error, StoreUnavailable)
    assert str(error) == f"lake {tmp_path}: cannot write 'x': No space left on device"
