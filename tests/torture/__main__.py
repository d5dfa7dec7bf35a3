"""`make torture`: kill -9 a hundred times, break the neighbours; the lake must be the one of a calm run."""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from flows.apache_kafka import start_apache_kafka
from flows.servers import BROKER_BUCKET, Broker, S3Server, start_broker, start_s3
from tests.torture.scenarios import (
    Neighbour,
    Say,
    Stage,
    broker_restarts,
    kills,
    stops,
    store_away,
    store_faulty,
)

REPOSITORY = Path(__file__).parent.parent.parent
PARTITIONS = 4


class Servers:
    """A broker and a store that can be restarted, each with a folder of its own."""

    def __init__(self, folder: Path, kafka: Path | None) -> None:
        self.store = Neighbour[S3Server](lambda again: start_s3(folder / "s3", ["lake"], again))
        self._brokers_store = Neighbour[S3Server](lambda again: start_s3(folder / "log", [BROKER_BUCKET], again))

        def start(again: Broker | None) -> AbstractContextManager[Broker]:
            if kafka:
                return start_apache_kafka(kafka, folder / "kafka", again)
            return start_broker(self._brokers_store.server, again)

        self.broker = Neighbour[Broker](start)

    def stop(self) -> None:
        for server in (self.broker, self.store, self._brokers_store):
            server.stop()


SCENARIOS: dict[str, Callable[[Stage, Servers, int, Say], object]] = {
    "kills": lambda stage, _, count, say: kills(stage, count, say),
    "cluster": lambda stage, _, count, say: kills(stage, count, say, shapes=(3,)),
    "rescale": lambda stage, _, count, say: kills(stage, count, say, shapes=(1, 3, 2)),
    "stops": lambda stage, _, count, say: stops(stage, count, say),
    "cluster-stops": lambda stage, _, count, say: stops(stage, count, say, processes=3),
    "store-away": lambda stage, servers, _, say: store_away(stage, servers.store, 60, say),
    "store-faulty": lambda stage, _, __, say: store_faulty(stage, 60, say),
    "broker-restarts": lambda stage, servers, _, say: broker_restarts(stage, servers.broker, 2, 10, say),
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
        with tempfile.TemporaryDirectory(prefix="replaylake-torture-") as folder, ExitStack() as stack:
            servers = Servers(Path(folder), options.kafka)
            stack.callback(servers.stop)
            servers.broker.server.create_topic("rum", PARTITIONS)
            begun = time.monotonic()
            print(f"{name}: {options.count} times, seed {options.seed}", flush=True)
            broker, store = servers.broker.server, servers.store.server
            stage = Stage(broker, store, captures, Path(folder), options.rate, options.seed)
            SCENARIOS[name](stage, servers, options.count, lambda text: print(f"  {text}", flush=True))
            print(f"{name}: passed in {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
