"""A range of topics is not put into the lake of a job that reads them, nor of one that may."""

import os
import sys
from pathlib import Path

import pytest

from flows.broker import TopicFacts
from flows.job_input import open_input, refuse_second_reading
from flows.recovery_folder import open_recovery_folder
from flows.settings import ConfigurationError, Settings
from sinks.fence import claim_lake
from sinks.store import LocalStore
from tests.starts import run_command


def settings(folder: Path, *topics: str) -> Settings:
    return Settings(lake=str(folder / "lake"), run={"recovery_dir": folder / "job"}, kafka={"topics": list(topics)})


def job_of(folder: Path, *topics: str) -> str:
    """A job that reads these topics into the lake; its id."""
    made = settings(folder, *topics)
    with open_recovery_folder(made) as opened:
        open_input(made, {name: TopicFacts(name, None, (0,)) for name in topics}, lambda _: None)
        claim_lake(LocalStore(folder / "lake"), opened.job_id, is_new=True)
        return opened.job_id


def test_a_topic_that_the_owner_reads_is_refused_and_another_is_not(tmp_path: Path) -> None:
    owner = job_of(tmp_path, "rum", "replay")
    refuse_second_reading(settings(tmp_path, "mended"), owner)
    with pytest.raises(ConfigurationError, match=r"reads 'replay' itself: .* twice.* --lake"):
        refuse_second_reading(settings(tmp_path, "mended", "replay"), owner)


def test_where_the_owner_is_elsewhere_nobody_knows_what_it_reads(tmp_path: Path) -> None:
    owner = job_of(tmp_path, "rum")
    other = tmp_path / "other"
    with pytest.raises(ConfigurationError, match=r"whether it reads 'mended' is known in its recovery folder"):
        refuse_second_reading(settings(other, "mended"), owner)
    job_of(other, "rum")
    with pytest.raises(ConfigurationError, match=rf"which {other / 'job'} is not: name it in run\.recovery_dir"):
        refuse_second_reading(settings(other, "mended"), owner)


def test_the_command_says_it_in_one_line_before_it_looks_for_the_broker(tmp_path: Path) -> None:
    job_of(tmp_path, "rum")
    command = ["backfill", "--topic", "rum", "--to-offset", "10", "--lake", str(tmp_path / "lake")]
    done = run_command(
        [sys.executable, "-m", "flows.cli", *command],
        env=os.environ | {"REPLAYLAKE_RUN__RECOVERY_DIR": str(tmp_path / "job")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "backfill --topic" in done.stderr
    assert "Traceback" not in done.stderr
