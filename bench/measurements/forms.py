"""RUM lines of the same visitors as each SDK sends them, through the whole flow."""

from collections import defaultdict

import msgspec

from bench.forms import FORMS, JSON
from bench.options import Options
from bench.results import Figure, figure
from bench.spent import Spent, run_side
from bench.topic import Topic, fill
from bench.traffic import Load, traffic
from flows.demo.servers import Broker, start_broker

ABOUT = (
    "RUM lines of the same visitors as each SDK sends them, through the whole flow from the broker to local disk: one "
    "line a message as JSON, as in `lines`; and up to ten in a request: as line protocol, which the Guance SDK sends "
    "unless it is told otherwise; as NDJSON of the Datadog SDK, plain and deflated (its `compressIntakeRequests`); as "
    "events of posthog-js, gzipped. Templates are lines of recorded sessions, of line protocol those of the JSON lines."
)


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Microseconds of CPU a line, by form."""
    load = Load(sessions=options.size(500, 2_000), lines_per_session=80, hours=2, seed=options.seed)
    spent: dict[str, list[Spent]] = defaultdict(list)
    with start_broker() as broker:
        topics = {form: _topic(broker, load, form, number) for number, form in enumerate(FORMS)}
        for _ in range(options.rounds):
            for form, topic in topics.items():
                spent[form].append(run_side("flow", {"topic": msgspec.to_builtins(topic)}))
    for form, rounds in spent.items():
        if any(one.items != topics[form].messages for one in rounds):
            raise RuntimeError(f"{form}: handled {[one.items for one in rounds]} of {topics[form].messages} messages")
    cost = {form: [1e6 * one.cpu_seconds / topics[form].lines for one in rounds] for form, rounds in spent.items()}
    shape = {form: [topic.lines / topic.messages] for form, topic in topics.items()}
    size = {form: [topic.bytes / topic.lines] for form, topic in topics.items()}
    parameters: dict[str, str | float] = {
        "lines": topics[JSON].lines, "sessions": load.sessions, "hours": load.hours, "seed": load.seed,
    }  # fmt: skip
    return parameters, [
        figure("CPU", "us/line", JSON, cost),
        figure("lines a message", "", "", shape),
        figure("bytes a line, as sent", "B", "", size),
    ]


def _topic(broker: Broker, load: Load, form: str, number: int) -> Topic:
    name = f"forms-{number}"
    broker.create_topic(name, 1)
    return fill(broker.bootstrap, name, 1, traffic(msgspec.structs.replace(load, form=form)))
