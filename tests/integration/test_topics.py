"""Any topic, any clock, any state, on Apache Kafka with the defaults that users have: right, or refused in one line.

The same cases and longer ones: `make torture ARGS='offsets spread-cluster --kafka .work/kafka-libs'`.
"""

from pathlib import Path

import pytest

from flows.demo.servers import Broker
from tests.torture.clock_shim import has_compiler
from tests.torture.field import Field
from tests.torture.inputs import CASES
from tests.torture.routes import ROUTES, Route
from tests.torture.spread import Spread
from tests.torture.topics import Topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SESSIONS = 40
NIGHTLY = {  # each of their kinds is here too: `make torture ARGS=offsets` has every combination
    "topic made again, shorter, earliest",
    "topic made again, shorter, latest",
    "topic made again, longer, stop",
    "truncated before it was read, earliest",
    "2 to 4 partitions, latest",
}
NAMES = [(subject, name) for subject, checks in CASES.items() for name in checks if name not in NIGHTLY]


@pytest.fixture(scope="session")
def field(apache_kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Field:
    return Field(Topics(apache_kafka), tmp_path_factory.mktemp("topics"))


@pytest.fixture(scope="session")
def spread(field: Field) -> Spread:
    captures = sorted((Path(__file__).parent.parent.parent / "samples").glob("*/*.jsonl.gz"))
    return Spread(field, captures, SESSIONS, seed=1)


@pytest.mark.parametrize(("subject", "name"), NAMES, ids=[name for _, name in NAMES])
def test_nothing_is_lost_and_nothing_is_twice(field: Field, subject: str, name: str) -> None:
    if subject == "clocks" and not has_compiler():
        pytest.skip("no C compiler (cc), so the wall clock of a process cannot be moved")
    assert CASES[subject][name](field) == []


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
def test_a_lake_does_not_tell_how_its_topics_were_keyed(spread: Spread, route: Route) -> None:
    """Rows as multisets, names and bytes of blobs."""
    assert spread.backlog_case(route) == []
