"""The recovery folder: one process at a time, one layout, and clear words for everything else."""

from pathlib import Path

import pytest

from flows.recovery_folder import FolderInUse, open_recovery_folder
from flows.settings import ConfigurationError, Settings, load_settings


def settings(folder: Path, **sections: dict[str, object]) -> Settings:
    run = {"recovery_dir": folder} | sections.pop("run", {})
    return load_settings(lake=str(folder / "lake"), run=run, **sections)


def test_a_folder_belongs_to_one_job_for_ever(tmp_path: Path) -> None:
    with open_recovery_folder(settings(tmp_path)) as first:
        assert first.is_new
        first.claim(lambda: False, lambda _: None)
    with open_recovery_folder(settings(tmp_path)) as second:
        assert not second.is_new
        assert second.job_id == first.job_id


def test_two_jobs_cannot_use_one_folder(tmp_path: Path) -> None:
    with (
        open_recovery_folder(settings(tmp_path)),
        pytest.raises(FolderInUse, match="in use by another job"),
        open_recovery_folder(settings(tmp_path)),
    ):
        pass


def test_the_processes_of_a_cluster_share_a_folder(tmp_path: Path) -> None:
    addresses = ["127.0.0.1:1", "127.0.0.1:2"]
    one = settings(tmp_path, run={"addresses": addresses, "process_id": 0})
    two = settings(tmp_path, run={"addresses": addresses, "process_id": 1})
    with open_recovery_folder(one) as first, open_recovery_folder(two) as second:
        assert first.job_id == second.job_id


def test_every_process_of_a_cluster_knows_that_the_lake_was_taken_over(tmp_path: Path) -> None:
    """Only the first finds another owner; all must number the parts of known sessions on."""
    addresses = ["127.0.0.1:1", "127.0.0.1:2"]
    one = settings(tmp_path, run={"addresses": addresses, "process_id": 0})
    two = settings(tmp_path, run={"addresses": addresses, "process_id": 1})
    owners, told = ["another"], []

    def claim(is_new: bool) -> None:  # noqa: FBT001 - as it is called
        told.append(is_new)
        owners.append("us")

    with open_recovery_folder(one) as first, open_recovery_folder(two) as second:
        for folder in (first, second):
            folder.claim(lambda: owners[-1] == "another", claim)
        assert told == [True, False]
        assert first.has_taken_over
        assert second.has_taken_over
    with open_recovery_folder(one) as later:
        assert later.has_taken_over


def test_a_take_over_that_was_cut_off_is_known_at_the_next_start(tmp_path: Path) -> None:
    def killed(_: bool) -> None:  # noqa: FBT001 - as it is called
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_recovery_folder(settings(tmp_path)) as first:
        first.claim(lambda: True, killed)
    with open_recovery_folder(settings(tmp_path)) as second:
        second.claim(lambda: False, lambda _: None)  # the lake has this job's name already
        assert second.has_taken_over


def test_a_folder_of_version_1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part-0.sqlite3").write_bytes(b"state")
    (tmp_path / "shards").write_text("8\n")
    with (
        pytest.raises(ConfigurationError, match="has version 1, this release reads version 6"),
        open_recovery_folder(settings(tmp_path)),
    ):
        pass


@pytest.mark.parametrize("version", [5, 7])
def test_a_folder_of_another_version_is_refused(version: int, tmp_path: Path) -> None:
    (tmp_path / "layout.json").write_text(f'{{"version": {version}, "job_id": "x"}}')
    with (
        pytest.raises(ConfigurationError, match=f"has version {version}, this release reads version 6"),
        open_recovery_folder(settings(tmp_path)),
    ):
        pass


def test_a_crash_while_the_folder_was_made_is_repaired(tmp_path: Path) -> None:
    (tmp_path / "layout.json").write_text('{"version": 6, "job_id": "x"}')
    (tmp_path / "part-0.sqlite3").write_bytes(b"half made")
    with open_recovery_folder(settings(tmp_path)) as folder:
        assert folder.job_id == "x"
    assert sorted(path.name for path in tmp_path.glob("*.sqlite3")) == [f"part-{n}.sqlite3" for n in range(4)]


def test_a_stop_is_seen_by_who_runs_and_not_by_who_starts_later(tmp_path: Path) -> None:
    with open_recovery_folder(settings(tmp_path)) as folder:
        assert not folder.stop_requested()
        folder.request_stop()
        assert folder.stop_requested()
    with open_recovery_folder(settings(tmp_path)) as later:
        assert not later.stop_requested()
