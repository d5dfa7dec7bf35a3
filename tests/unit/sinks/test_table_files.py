"""The format of table files has one room. import-linter sees of a library only the whole, so it is looked for here."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
IMPORT = re.compile(
    r"^\s*(import pyarrow\.parquet|from pyarrow import .*\bparquet\b|from pyarrow\.parquet )", re.MULTILINE
)


def test_one_file_imports_the_format_of_table_files() -> None:
    folders = ("flows", "intake", "lake", "operators", "schemas", "sinks", "viewer")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert [file.relative_to(ROOT).as_posix() for file in files if IMPORT.search(file.read_text())] == [
        "sinks/table_files.py"
    ]
