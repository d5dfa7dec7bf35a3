"""Golden files of the tables whose newest version has none yet: `python -m tests.golden.make`. None is made again."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import TABLES
from sinks.table_files import encode

GOLDEN = Path(__file__).parent
_SAMPLES = GOLDEN.parents[1] / "samples"
_ROWS = 3  # of each table, and one more for each column that is still without a value
_UNUSABLE = '{"method": "POST", "path": "/v1/write/rum?precision=ms", "t_ms": 1795230154881, "body_b64": "bm8="}\n'


def golden(table: str, version: int, root: Path = GOLDEN) -> Path:
    """Where the file of a version is, of a table that had this version."""
    return root / f"tables-v{version}" / f"{table}.parquet"


def make(root: Path = GOLDEN) -> Iterator[Path]:
    """Write what is missing, as `replaylake backfill` of all of samples/ writes it today."""
    missing = [table for table, declared in TABLES.items() if not golden(table, declared.version, root).exists()]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder, "bad.jsonl")
        bad.write_text(_UNUSABLE, encoding="utf-8")
        files = [bad, *sorted(_SAMPLES.rglob("*.jsonl.gz"))]
        command = [sys.executable, "-m", "flows.cli", "backfill", "--lake", f"{folder}/lake", *map(str, files)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for table in missing:
            file = golden(table, TABLES[table].version, root)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(encode(_chosen(Path(folder, "lake", "tables", table))))
            yield file


def _chosen(folder: Path) -> pa.Table:
    """A few rows of a table that have a value in as many columns as its rows have."""
    content = pa.concat_tables([pq.read_table(file, partitioning=None) for file in sorted(folder.rglob("*.parquet"))])
    wanted = set(content.column_names)
    chosen: list[int] = []
    for number, row in enumerate(content.to_pylist()):
        filled = {name for name, value in row.items() if value is not None}
        if len(chosen) < _ROWS or filled & wanted:
            chosen.append(number)
            wanted -= filled
    return content.take(chosen)


if __name__ == "__main__":
    for made in make():
        sys.stdout.write(f"{made.relative_to(Path.cwd())}\n")
