"""A short run of `tests.torture.iceberg`: readers beside traffic, compaction, erasure, holds, expiry and kill -9."""

import random
from pathlib import Path

import pytest

from tests.conftest import LONG
from tests.torture.iceberg import Place, torture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 400)]


def test_readers_meet_no_row_twice_none_missing_and_no_error(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "lake"), tmp_path, None)
    done = torture(place, kills=20 if LONG else 2, chance=random.Random(7), say=lambda _: None)
    assert done["kills"] >= 2
    assert done["looks"] > 10
