"""What several tests of the viewer may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.viewer.test_found_windows import Lake
from viewer import line_copies


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """An empty lake, of which also the smallest file can have a copy."""
    monkeypatch.setattr(line_copies, "_LEAST_BYTES", 0)
    lake = Lake(tmp_path / "lake", monkeypatch)
    yield lake
    lake.tables.close()
