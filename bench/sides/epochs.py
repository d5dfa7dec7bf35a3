"""The job without engine and broker, an epoch after so many lines: what a small epoch costs."""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.epochs import EpochRunner
from bench.spent import charged, refuse_pandas
from bench.traffic import Load, traffic


class _Arguments(msgspec.Struct):
    load: Load
    lines: int
    work: str


def main() -> None:
    refuse_pandas()
    arguments = msgspec.json.decode(sys.argv[1], type=_Arguments)
    sent = list(traffic(arguments.load))
    runner = EpochRunner(Path(arguments.work), shards=1, epoch_seconds=1)

    def work() -> tuple[int, Mapping[str, float]]:
        epochs = sum(1 for _ in runner.run_lines(sent, arguments.lines))
        return len(sent), {"epochs": epochs}

    charged(work)


if __name__ == "__main__":
    main()
