"""librdkafka's lines: the same text once a minute, whatever number stands in it."""

import logging

from flows.logs import BrokerLines

_LINE = "FAIL [rdkafka#consumer-{n}] [thrd:h:1/bootstrap]: h:1/bootstrap: {why} (after {ms}ms in state CONNECT{more})"


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _record(why: str = "refused", n: int = 1, ms: int = 0, more: str = "") -> logging.LogRecord:
    return logging.makeLogRecord({"msg": _LINE.format(why=why, n=n, ms=ms, more=more)})


def test_a_text_is_said_once_a_minute_by_all_clients_together() -> None:
    clock = _Clock()
    lines = BrokerLines(clock)
    assert lines.filter(_record())
    assert not lines.filter(_record(n=2, ms=14))
    assert not lines.filter(_record(more=", 30 identical error(s) suppressed"))
    clock.now += 59.9
    assert not lines.filter(_record())
    clock.now += 0.1
    assert lines.filter(_record())


def test_another_text_is_said_at_once() -> None:
    lines = BrokerLines(_Clock())
    assert lines.filter(_record("refused"))
    assert lines.filter(_record("timed out"))


def test_texts_that_never_repeat_cost_bounded_memory_and_are_said() -> None:
    lines = BrokerLines(_Clock())
    assert all(lines.filter(_record(f"reason {number}")) for number in range(3000))
    assert len(lines._said) <= 1000
