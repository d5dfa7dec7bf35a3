"""One lake of the recordings for all comparisons: the full set where REPLAYLAKE_RECORDINGS names it, else samples."""

from pathlib import Path

import pytest

from tests.oracle.comparison import backfill


@pytest.fixture(scope="package")
def recorded_captures(recordings_or_samples: Path) -> list[Path]:
    return sorted(recordings_or_samples.glob("*/*.jsonl.gz"))


@pytest.fixture(scope="package")
def recorded_lake(recorded_captures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("recorded") / "lake"
    backfill(recorded_captures, lake)
    return lake
