"""`make torture`: kill -9 a hundred times and more, and see that the lake is the one of a calm run."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from flows.apache_kafka import start_apache_kafka
from flows.servers import start_broker, start_s3
from tests.torture.scenarios import Stage, kills, stops

REPOSITORY = Path(__file__).parent.parent.parent
PARTITIONS = 4
SCENARIOS: dict[str, Callable[[Stage, int, Callable[[str], None]], object]] = {
    "kills": kills,
    "cluster": lambda stage, count, say: kills(stage, count, say, shapes=(3,)),
    "rescale": lambda stage, count, say: kills(stage, count, say, shapes=(1, 3, 2)),
    "stops": stops,
    "cluster-stops": lambda stage, count, say: stops(stage, count, say, processes=3),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make torture ARGS=...", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; default kills and rescale")
    parser.add_argument("--count", type=int, default=100, help="kills or stops")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rate", type=float, default=150.0, help="messages a second")
    parser.add_argument("--kafka", type=Path, help="folder of Apache Kafka's jars instead of the broker from pip")
    options = parser.parse_args()
    captures = sorted((REPOSITORY / "samples").glob("*/*.jsonl.gz"))
    for name in options.scenario or ["kills", "rescale"]:
        with (
            tempfile.TemporaryDirectory(prefix="replaylake-torture-") as folder,
            start_apache_kafka(options.kafka) if options.kafka else start_broker() as broker,
            start_s3() as s3,
        ):
            broker.create_topic("rum", PARTITIONS)
            begun = time.monotonic()
            print(f"{name}: {options.count} times, seed {options.seed}", flush=True)
            stage = Stage(broker, s3, captures, Path(folder), options.rate, options.seed)
            SCENARIOS[name](stage, options.count, lambda text: print(f"  {text}", flush=True))
            print(f"{name}: passed in {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
