"""Whatever a question comes up against, the caller hears 503 and when to ask again, and the next one is answered."""

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.server_process import LOOPBACK, free_ports
from sinks.store import LocalStore
from tests.serve.lakes import write_sessions
from tests.serve.server import API, serving, until
from tests.serve.test_metrics import families_at
from viewer.options import QuestionLimits
from viewer.questions import Bound, Busy, Questions

_ENDLESS = "SELECT count(*) FROM range(1000000000000) AS a(n) WHERE hash(n) = 1"
_LARGE = "SELECT list(n::VARCHAR || repeat('x', 100)) FROM range(10000000) AS a(n)"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"memory_limit": "50MB", "threads": 1, "temp_directory": ""}) as found:
        yield found


def test_a_question_waits_for_a_slot_only_so_long(connection: duckdb.DuckDBPyConnection) -> None:
    questions = Questions(QuestionLimits(1, 0.05, 60))
    with questions.slot(), pytest.raises(Busy) as found, questions.slot():
        pass
    assert found.value.bound == Bound.SLOTS
    with questions.slot() as slot:
        assert slot.ask(connection, "SELECT 1") == [(1,)]
    assert (questions.asked, questions.refused) == (2, {Bound.SLOTS: 1})


def test_a_question_gets_the_slot_that_another_leaves(connection: duckdb.DuckDBPyConnection) -> None:
    questions = Questions(QuestionLimits(1, 60, 60))
    found: list[object] = []

    def ask() -> None:
        with questions.slot() as slot:
            found.append(slot.ask(connection.cursor(), "SELECT 1"))

    with questions.slot():
        waiting = threading.Thread(target=ask)
        waiting.start()
    waiting.join(30)
    assert found == [[(1,)]]


@pytest.mark.parametrize(("sql", "bound"), [(_ENDLESS, Bound.TIME), (_LARGE, Bound.MEMORY)])
def test_a_question_that_needs_too_much_is_ended_and_its_slot_is_free(
    connection: duckdb.DuckDBPyConnection, sql: str, bound: Bound
) -> None:
    questions = Questions(QuestionLimits(1, 0.05, 0.5 if bound == Bound.TIME else 60))
    with pytest.raises(Busy) as found, questions.slot() as slot:
        slot.ask(connection, sql)
    assert found.value.bound == bound
    with questions.slot() as slot:
        assert slot.ask(connection, "SELECT 1") == [(1,)]
    assert questions.refused == {bound: 1}


@pytest.mark.parametrize(
    ("sql", "bound"), [(_ENDLESS, Bound.TIME), (_LARGE, Bound.MEMORY), ("FROM range(1000000000000)", Bound.TIME)]
)
def test_the_same_holds_for_rows_that_come_in_batches(
    connection: duckdb.DuckDBPyConnection, sql: str, bound: Bound
) -> None:
    questions = Questions(QuestionLimits(1, 0.05, 0.5 if bound == Bound.TIME else 60))
    with pytest.raises(Busy) as found, questions.slot() as slot:
        slot.in_batches(connection, sql, (), lambda batches: sum(batch.num_rows for batch in batches))
    assert found.value.bound == bound
    with questions.slot() as slot:
        assert slot.in_batches(connection, "SELECT ?", ["a"], lambda batches: [one.to_pydict() for one in batches])
    assert questions.refused == {bound: 1}


def test_what_fails_in_taking_batches_is_said() -> None:
    def refuse(_: object) -> None:
        raise OSError("no batch is wanted")

    with duckdb.connect() as connection, Questions(QuestionLimits()).slot() as slot, pytest.raises(OSError, match="no"):
        slot.in_batches(connection, "SELECT 1", (), refuse)


def test_the_time_is_that_of_all_statements_of_a_slot(connection: duckdb.DuckDBPyConnection) -> None:
    questions = Questions(QuestionLimits(1, 1, 60))
    with questions.slot() as slot:
        assert slot.ask(connection, "SELECT 1") == [(1,)]
        slot.end()
        with pytest.raises(Busy) as found:
            slot.ask(connection, "SELECT 1")
    assert found.value.bound == Bound.TIME


def test_quiet_is_when_nobody_has_a_slot() -> None:
    questions = Questions(QuestionLimits(2, 1, 60))
    with questions.slot(), questions.quiet() as is_quiet:
        assert not is_quiet
    with questions.quiet() as is_quiet:
        assert is_quiet
    with questions.slot(), questions.slot():
        pass


def test_a_server_says_503_and_when_to_ask_again_and_counts_why(tmp_path: Path) -> None:
    write_sessions(LocalStore(tmp_path / "lake"), "0-0000000001-000000000001", [{"session_id": "a"}])
    address = f"{LOOPBACK}:{free_ports(1)[0]}"
    settings = "question_seconds = 0.000001"
    with serving(str(tmp_path / "lake"), tmp_path / "server", settings, http=f'address = "{address}"') as server:
        until(lambda: server.ask("/health/ready").json(), lambda found: bool(found["files_read"] == 1), 30)
        answers = [server.ask(f"{API}{path}") for path in ("/sessions?q=a", "/facets?columns=browser", "/histogram")]
        counted = families_at(address)["replaylake_serve_questions_refused"].samples
    assert {answer.status for answer in answers} <= {200, 503}
    refused = [answer for answer in answers if answer.status == 503]
    assert refused
    assert {answer.headers["retry-after"] for answer in refused} == {"5"}
    assert "question_seconds" in refused[0].json()["error"]
    assert {sample.labels["bound"]: sample.value for sample in counted if sample.value} == {"time": len(refused)}
