"""`make torture`: kill -9 a hundred times, break the neighbours; the lake must be the one of a calm run."""

import argparse
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from flows.demo.apache_kafka import start_apache_kafka
from flows.demo.servers import start_s3
from tests.torture.field import Field
from tests.torture.inputs import cases
from tests.torture.neighbours import Servers
from tests.torture.scenarios import Say, Stage, kills, restarts, stops, store_faulty
from tests.torture.spread import Spread, spread_cases
from tests.torture.topics import Topics
from tests.torture.verdicts import judge_all

REPOSITORY = Path(__file__).parent.parent.parent
PARTITIONS = 4
SPREADS = ("spread", "spread-kills", "spread-cluster", "spread-rescale")
INPUTS = ("stamps", "clocks", "offsets", "state", "operators", *SPREADS)  # cases that make a table
SCENARIOS: dict[str, Callable[[Stage, Servers, int, Say], object]] = {
    "kills": lambda stage, _, count, say: kills(stage, count, say),
    "cluster": lambda stage, _, count, say: kills(stage, count, say, shapes=(3,)),
    "rescale": lambda stage, _, count, say: kills(stage, count, say, shapes=(1, 3, 2)),
    "stops": lambda stage, _, count, say: stops(stage, count, say),
    "cluster-stops": lambda stage, _, count, say: stops(stage, count, say, shapes=(3,)),
    "store-away": lambda stage, servers, _, say: restarts(stage, [servers.store], 60, say),
    "store-faulty": lambda stage, _, __, say: store_faulty(stage, 60, say),
    "broker-restarts": lambda stage, servers, _, say: restarts(stage, [servers.broker] * 2, 10, say),
}


def judge_inputs(names: Sequence[str], options: argparse.Namespace) -> list[str]:
    """The cases of these subjects on one broker, as a table; names of those that differ."""
    if not names:
        return []
    if options.kafka is None:
        sys.exit("--kafka: these cases need Apache Kafka itself; docker/kafka/pom.xml says how to fetch its jars")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replaylake-torture-")))
        broker = stack.enter_context(start_apache_kafka(options.kafka))
        field = Field(Topics(broker), folder, stack.enter_context(start_s3()) if options.s3 else None)
        every = cases(field)
        if any(name in SPREADS for name in names):
            print(f"seed {options.seed}", flush=True)
            spread = Spread(field, samples(), options.sessions, options.seed, say)
            every |= {name: spread_cases(spread, name, options.count, options.rate) for name in SPREADS}
        chosen = [case for name in names for case in every[name] if re.search(options.only, case.name)]
        return judge_all(chosen, say)


def say(text: str) -> None:
    print(text, flush=True)


def samples() -> list[Path]:
    return sorted((REPOSITORY / "samples").glob("*/*.jsonl.gz"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make torture ARGS=...", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join([*SCENARIOS, *INPUTS])}; default kills and rescale")
    parser.add_argument("--count", type=int, default=100, help="kills or stops")
    parser.add_argument("--sessions", type=int, default=320, help="of spread's backlog")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rate", type=float, default=150.0, help="messages a second")
    parser.add_argument("--kafka", type=Path, help="folder of Apache Kafka's jars instead of the broker from pip")
    parser.add_argument("--s3", action="store_true", help=f"of {', '.join(INPUTS)}: lakes on SeaweedFS")
    parser.add_argument("--only", default="", help=f"of {', '.join(INPUTS)}: cases whose name this expression finds")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that servers and jobs end with us
    captures = samples()
    asked = options.scenario or ["kills", "rescale"]
    if failed := judge_inputs([name for name in asked if name in INPUTS], options):
        sys.exit(f"{len(failed)} cases differ: {', '.join(failed)}")
    for name in (name for name in asked if name not in INPUTS):
        with tempfile.TemporaryDirectory(prefix="replaylake-torture-") as folder, ExitStack() as stack:
            servers = Servers(Path(folder), options.kafka, keeps_log=name == "broker-restarts")
            stack.callback(servers.stop)
            servers.broker.server.create_topic("rum", PARTITIONS)
            begun = time.monotonic()
            print(f"{name}: {options.count} times, seed {options.seed}", flush=True)
            broker, store = servers.broker.server, servers.store.server
            stage = Stage(broker, store, captures, Path(folder), options.rate, options.seed)
            SCENARIOS[name](stage, servers, options.count, lambda text: say(f"  {text}"))
            print(f"{name}: passed in {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
