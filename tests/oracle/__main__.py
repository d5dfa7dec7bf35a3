"""The big comparison: `python -m tests.oracle [--sessions N] [--seed N] [--captures FOLDER] --work FOLDER`."""

import argparse
import sys
import time
from pathlib import Path

from tests.oracle.comparison import NOT_COMPARED, backfill, compare
from tests.oracle.visits import visits
from tests.oracle.wire import write_captures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000, help="visits to make up; 0 for none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--captures", type=Path, help="folder of recordings, compared as well")
    parser.add_argument("--work", type=Path, required=True, help="empty folder for captures and lakes")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    failed = False
    if options.sessions:
        made = options.work / "made-up.jsonl.gz"
        items = write_captures(made, visits(options.sessions, options.seed), options.seed)
        print(f"{options.sessions:,} visits, {items:,} lines and segments, copies not counted")
        failed |= _run([made], options.work / "lake-made-up")
    if options.captures:
        failed |= _run(sorted(options.captures.glob("*/*.jsonl.gz")), options.work / "lake-captures")
    sys.exit(failed)


def _run(captures: list[Path], lake: Path) -> bool:
    begin = time.monotonic()
    backfill(captures, lake)
    lake_s = time.monotonic() - begin
    found = compare(captures, lake)
    sql_s = time.monotonic() - begin - lake_s
    windows = f"{found.sessions:,} windows ({found.revised:,} revised) of {len(captures)} captures"
    print(f"{windows}, {len(found.columns)} columns: {len(found.differences)} differences")
    print(f"backfill {lake_s:.0f} s, SQL {sql_s:.0f} s")
    print("\n".join(found.differences[:100]))
    print("not compared: " + ", ".join(NOT_COMPARED))
    return bool(found.differences)


if __name__ == "__main__":
    main()
