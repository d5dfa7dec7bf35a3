"""With the compiled leaf and without it a backfill makes the same lake: the same names, the same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

from operators.native import LEAF

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*/*.jsonl.gz"))
WITHOUT = "import sys; sys.modules['replaylake_native'] = None; "
COMMAND = "from flows.cli.main import main; main()"


@pytest.mark.slow
@pytest.mark.skipif(LEAF is None, reason="no compiled leaf in this environment")
def test_a_lake_does_not_show_whether_the_leaf_was_there(tmp_path: Path) -> None:
    lakes = [_backfilled(tmp_path / "with", COMMAND), _backfilled(tmp_path / "without", WITHOUT + COMMAND)]
    assert any(name.startswith("tables/views") for name in lakes[0])
    assert lakes[0] == lakes[1]


def _backfilled(lake: Path, command: str) -> dict[str, bytes]:
    """Every object of a new lake by its key."""
    arguments = ["backfill", *map(str, SAMPLES), "--lake", str(lake)]
    done = subprocess.run([sys.executable, "-c", command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    files = {path.relative_to(lake).as_posix(): path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    return {name: content for name, content in files.items() if name.startswith(("tables/", "replays/"))}
