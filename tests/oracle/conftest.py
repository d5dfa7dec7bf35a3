"""One lake of the recordings for all comparisons: the full set where REPLAYLAKE_RECORDINGS names it, else samples."""

from pathlib import Path

import pytest

from tests.flow.test_recordings import capture_files, known_captures
from tests.oracle.comparison import backfill


@pytest.fixture(scope="package")
def recorded_captures(recordings_or_samples: Path) -> list[Path]:
    return capture_files(recordings_or_samples, known_captures(recordings_or_samples))


@pytest.fixture(scope="package")
def recorded_lake(recorded_captures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("recorded") / "lake"
    backfill(recorded_captures, lake)
    return lake
