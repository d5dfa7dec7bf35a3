"""A visit watched while it lasts: Kafka, the running job, the API; and on after its window has closed."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from flows.demo.servers import Broker, S3Server, start_broker
from operators.families.registry import family_of
from operators.tracks import to_rrweb
from operators.wire.message import Message
from tests.playback.raw_segments import segments_of
from tests.serve.conftest import DATADOG, GUANCE, TOKEN_ALL, TOKEN_ONE, TOKENS
from tests.serve.server import API, Served, serving, session_path, until
from tests.torture.job import JobProcess, Place
from tests.torture.traffic import recording

EPOCH_SECONDS = 2
GAP_SECONDS = 15  # longer than the test looks at an open window
_SLOW_MACHINE_SECONDS = 60
Row = dict[str, Any]


class Scene(msgspec.Struct):
    """Everything that runs."""

    broker: Broker
    server: Served

    def send(self, messages: Sequence[tuple[str, Message]]) -> None:
        """As an intake does: the time of receipt is now. Returns when the broker has all of it."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap})
        for session_id, message in messages:
            headers: list[tuple[str, str | bytes | None]] = [("type", (message.type or "").encode())]
            producer.produce(
                "rum", message.value, key=session_id.encode(), headers=[*headers, *message.headers.items()],
                timestamp=int(time.time() * 1000),
            )  # fmt: skip
        assert producer.flush(30) == 0

    def ask(self, row: Row, rest: str = "", token: str = TOKEN_ALL) -> Any:
        answer = self.server.ask(session_path(row, rest), token=token)
        return answer.json() if answer.status == 200 else answer.status

    def events(self, row: Row) -> list[Row]:
        """Of the only track there is."""
        (track,) = self.ask(row, "/replay")["tracks"]
        return [e for n in range(len(track["chunks"])) for e in self.ask(row, f"/replay/events?track=0&chunk={n}")]


@pytest.fixture(params=["local", "s3"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    s3: S3Server | None = request.getfixturevalue("s3") if request.param == "s3" else None
    lake = f"s3://lake/{uuid.uuid4().hex}" if s3 else str(tmp_path / "lake")
    extra = {
        "REPLAYLAKE_SESSIONS__GAP_SECONDS": str(GAP_SECONDS),
        "REPLAYLAKE_SESSIONS__CAP_SECONDS": "600",
        "REPLAYLAKE_RUN__EPOCH_SECONDS": str(EPOCH_SECONDS),
    }
    sections = {"sessions": f"gap_seconds = {GAP_SECONDS}\ncap_seconds = 600\nlateness_seconds = 1\nsettle_seconds = 1"}
    if s3:
        sections["s3"] = f'endpoint_url = "{s3.endpoint_url}"\nkey = "{s3.access_key}"\nsecret = "{s3.secret_key}"'
    with start_broker() as broker:
        broker.create_topic("rum", 2)
        place = Place(broker, lake, tmp_path / "recovery", s3, extra=extra)
        place.store().put({"_job/.made": b""})  # a lake, before the job makes more of it
        with _running(place), serving(lake, tmp_path / "serve", TOKENS, **sections) as server:
            yield Scene(broker, server)


@contextmanager
def _running(place: Place) -> Iterator[None]:
    job = JobProcess(place)
    try:
        yield
        code, _ = job.stop()
        assert code == 0, job.log_tail()
    finally:
        job.end()


@pytest.mark.slow
def test_an_open_session_is_watched_live_and_on_after_it_has_closed(scene: Scene, samples: Path) -> None:
    path = samples / "guance" / "gc-shop.jsonl.gz"
    ((family, segments),) = segments_of(path).values()
    messages = recording(path)
    mine = {"app_id": GUANCE, "session_id": messages[0][0]}
    others = recording(samples / "datadog" / "dd-shop.jsonl.gz")
    foreign = {"app_id": DATADOG, "session_id": others[0][0]}
    assert scene.ask(mine) == 404

    at = len(messages) // 2
    scene.send([*messages[:at], *others])
    first = until(lambda: scene.ask(mine), lambda found: found != 404, 60)
    assert first["live"] is True
    assert [row["close_reason"] for row in first["windows"]] == [None]
    before = until(lambda: scene.events(mine), bool, 60)

    until(lambda: scene.ask(foreign), lambda found: found != 404, 60)
    for route in ("", "/timeline", "/replay", "/replay/events"):
        assert scene.ask(foreign, route, TOKEN_ONE) == 403, route
        assert scene.ask({**foreign, "app_id": GUANCE}, route, TOKEN_ONE) == 404, route
        assert scene.ask(mine, route, TOKEN_ONE) not in (403, 404), route

    for token, seen in ((TOKEN_ONE, [mine]), (TOKEN_ALL, [foreign, mine])):
        listed = scene.server.ask(f"{API}/live", token=token).json()["sessions"]
        assert sorted(({name: one[name] for name in mine} for one in listed), key=str) == sorted(seen, key=str)
    assert scene.server.ask(f"{API}/live?app={DATADOG}", token=TOKEN_ONE).status == 403
    expected = to_rrweb(family_of(family), segments)[0].events
    scene.send(messages[at:])
    until(lambda: scene.events(mine), lambda found: found == expected, 2 * EPOCH_SECONDS + _SLOW_MACHINE_SECONDS)
    assert len(before) < len(expected)
    open_session, timeline, replay = (scene.ask(mine, route) for route in ("", "/timeline", "/replay"))
    assert open_session["live"] is replay["live"] is True

    closed = until(lambda: scene.ask(mine), lambda found: not found["live"], GAP_SECONDS + 60)
    assert [row["close_reason"] for row in closed["windows"]] == ["inactivity"]
    assert scene.ask(mine, "/timeline") == timeline
    closed_replay = scene.ask(mine, "/replay")  # only now it is known that nothing more comes, so what is missing
    assert {**closed_replay, "notes": []} == {**replay, "live": False, "notes": []}
    assert scene.events(mine) == expected
    kept = {name: value for name, value in closed["windows"][0].items() if not name.startswith(("close_", "replay_"))}
    assert kept == {name: open_session["windows"][0][name] for name in kept}
