"""`make torture`: kill -9 a hundred times, break the neighbours; the lake must be the one of a calm run."""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.torture.neighbours import Servers
from tests.torture.scenarios import Say, Stage, broker_restarts, kills, stops, store_away, store_faulty

REPOSITORY = Path(__file__).parent.parent.parent
PARTITIONS = 4
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
            servers = Servers(Path(folder), options.kafka, keeps_log=name == "broker-restarts")
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
