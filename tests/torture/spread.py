"""One traffic on topics of every kind: the lakes must be equal, whatever keyed, partitioned or added to them.

Sessions with something later than the allowed lateness are known, and may differ in what `settled` lists.
"""

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from lake.catalog import read_rows, table_keys
from operators.windows.rules import WindowRules
from schemas.units import MS_PER_SECOND
from sinks.store import ObjectStore
from tests.torture.field import Field
from tests.torture.job import JobProcess, Place
from tests.torture.lateness import Lateness
from tests.torture.routes import LIVE_ROUTES, ONE_LOG, ROUTES, Lane, Route, Sent, new_lane
from tests.torture.settled import Settled, differing, settled
from tests.torture.traffic import Traffic, garbage, recording, renamed
from tests.torture.truth import unverified
from tests.torture.verdicts import Case

_SPAN_MS = 4 * 3_600_000  # sessions of the backlog begin within so long
_AGO_MS = 3_600_000  # the last of them ends before this
_DISORDER_MS = 20_000  # so far a message may stand from its place in the order of stamps
_LATE_MS = 45 * 60_000  # more than the gap and the lateness
_RETRY_MS = 15_000
LIVE = {
    "REPLAYLAKE_SESSIONS__GAP_SECONDS": "8",
    "REPLAYLAKE_SESSIONS__CAP_SECONDS": "60",
    "REPLAYLAKE_SESSIONS__LATENESS_SECONDS": "10",
    "REPLAYLAKE_SESSIONS__END_GRACE_SECONDS": "4",
    "REPLAYLAKE_RUN__SHARDS": "4",  # also where the topic begins with 2 partitions and 3 processes read it
}
LIVE_LATE_SECONDS = 25.0
Say = Callable[[str], None]
BACKLOG = {  # the rules that users have
    "REPLAYLAKE_SESSIONS__GAP_SECONDS": "900",
    "REPLAYLAKE_SESSIONS__CAP_SECONDS": "14400",
    "REPLAYLAKE_SESSIONS__LATENESS_SECONDS": "60",
    "REPLAYLAKE_SESSIONS__END_GRACE_SECONDS": "60",
    "REPLAYLAKE_SESSIONS__SETTLE_SECONDS": "10",
}
IDLE_SECONDS = 600.0


_LIMITS = ("gap", "cap", "lateness", "end_grace")
_ON_THE_WAY_MS = 3_000  # the most that a message may need to the broker, on a busy machine


class Backlog(msgspec.Struct, frozen=True):
    """Messages in the order of their sending, and the sessions with something later than the lateness."""

    sent: list[Sent]
    late: frozenset[str]

    @property
    def sessions(self) -> set[str]:
        return {sent.session_id for sent in self.sent if sent.session_id}


def backlog(captures: Sequence[Path], sessions: int, seed: int) -> Backlog:
    """Recordings as sessions of their own at the pace of their recording, with disorder, copies, late data, garbage."""
    chance = random.Random(seed)
    recordings = [recording(path) for path in captures]
    end_ms = time.time_ns() // 1_000_000 - _AGO_MS
    placed: list[tuple[int, Sent]] = []  # with the place in the log
    for number in range(sessions):
        messages = chance.choice(recordings)
        first_ms = min(message.received_ms for _, message in messages)
        length_ms = max(message.received_ms for _, message in messages) - first_ms
        begin_ms = end_ms - length_ms - _LATE_MS - chance.randrange(_SPAN_MS)
        is_late = chance.random() < 0.12
        for session_id, message in messages:
            clone_id = f"{session_id[:-8]}{number:08x}"
            clone = renamed(message, session_id.encode(), clone_id.encode())
            if clone is None:
                continue
            stamp_ms = begin_ms + message.received_ms - first_ms
            if is_late and chance.random() < 0.1:
                stamp_ms += _LATE_MS
            sent = Sent(clone_id, clone, stamp_ms)
            placed.append((stamp_ms + chance.randrange(_DISORDER_MS), sent))
            if chance.random() < 0.05:  # an SDK that tries again
                again_ms = stamp_ms + chance.randrange(_RETRY_MS)
                placed.append((again_ms, msgspec.structs.replace(sent, stamp_ms=again_ms)))
        if chance.random() < 0.1:
            placed.append((begin_ms, Sent("", garbage(chance), begin_ms)))
    log = [sent for _, sent in sorted(placed, key=lambda one: one[0])]
    lateness = Lateness(_rules(BACKLOG))
    for sent in log:
        lateness.hear(sent)
    return Backlog(log, lateness.late())


def _rules(environment: Mapping[str, str]) -> WindowRules:
    """The window rules of a job with these settings."""
    named = {f"{name}_ms": f"REPLAYLAKE_SESSIONS__{name.upper()}_SECONDS" for name in _LIMITS}
    return WindowRules(**{name: int(environment[setting]) * MS_PER_SECOND for name, setting in named.items()})


def await_quiet(job: JobProcess, store: ObjectStore, sessions: Collection[str]) -> None:
    """Until everything is read, closed and published. Raises AssertionError."""
    deadline = time.monotonic() + IDLE_SECONDS
    quiet_at, missing = 0.0, len(sessions)
    while time.monotonic() < deadline:
        assert job.poll() is None, f"the job ended by itself\n{job.log_tail()}"
        samples = job.samples()
        if samples is None or samples.get("replaylake_lag_messages") or samples["replaylake_open_sessions"]:
            quiet_at = 0.0
        elif not quiet_at:
            quiet_at = time.time()
        elif samples.get("replaylake_last_commit_timestamp_seconds:min", 0.0) > quiet_at:
            keys = list(table_keys(store, "sessions"))
            missing = len(set(sessions) - {str(row["session_id"]) for row in read_rows(store, keys, "sessions")})
            if not missing:
                return
            quiet_at = 0.0
        time.sleep(0.5)
    raise AssertionError(f"{missing} sessions are not written after {IDLE_SECONDS:.0f} s\n{job.log_tail()}")


class Spread:
    """The cases of one traffic; the lake of its log in one partition, read by one process, is made once.

    `kills` happen to each job, in turn over the numbers of processes in `shapes`.
    """

    def __init__(self, field: Field, captures: Sequence[Path], sessions: int, seed: int, say: Say = print) -> None:
        self._field = field
        self._captures = captures
        self._seed = seed
        self._say = say
        self._backlog = backlog(captures, sessions, seed)
        found = self._backlog
        say(f"backlog: {len(found.sent):,} messages, {len(found.sessions)} sessions, {len(found.late)} with late data")
        self._calm: Settled | None = None

    def backlog_case(self, route: Route) -> list[str]:
        """Everything is sent, then read; partitions are added when half of it is sent."""
        place, lane = self._new("backlog", route, BACKLOG)
        expected = self._expected()
        half = len(self._backlog.sent) // 2
        self._send(lane, self._backlog.sent[:half])
        lane.grow()
        self._send(lane, self._backlog.sent[half:])
        self._finish(JobProcess(place), place, self._backlog.sessions)
        return differing(expected, settled(place.store(), self._backlog.late)) + unverified(place)

    def live_case(self, route: Route, shapes: Sequence[int], kills: int, rate: float, seconds: float) -> list[str]:
        """Sent beside the job, stamped now, while it is killed; the same messages also go to one partition."""
        place, lane = self._new("live", route, LIVE)
        calm_place, calm_lane = self._new("calm", ONE_LOG, LIVE)
        chance = random.Random(self._seed)
        lateness = Lateness(_rules(LIVE), _ON_THE_WAY_MS)
        traffic = Traffic(
            [lane, calm_lane],
            self._captures,
            rate=rate,
            seed=self._seed,
            late_seconds=LIVE_LATE_SECONDS,
            hear=lateness.hear,
        )
        with traffic:
            for number in range(kills):
                if number == kills // 2:
                    traffic.between(lane.grow)
                job = JobProcess(place, shapes[number * len(shapes) // kills])
                job.await_end(chance.uniform(0.0, 2 * seconds / kills))
                assert job.poll() is None, f"the job ended by itself\n{job.log_tail()}"
                job.kill(chance)
            job = JobProcess(place, shapes[-1])
            if not kills:
                job.await_end(seconds / 2)
                traffic.between(lane.grow)
                job.await_end(seconds / 2)
        sessions = traffic.sessions
        self._finish(job, place, sessions)
        self._finish(JobProcess(calm_place), calm_place, sessions)
        late = lateness.late()
        self._say(f"  sent {dict(traffic.sent)}: {len(sessions)} sessions, {len(late)} of them with late data")
        calm, found = settled(calm_place.store(), late), settled(place.store(), late)
        return differing(calm, found) + unverified(place) + self._too_easy(sessions, late, kills)

    def _too_easy(self, sessions: Collection[str], late: Collection[str], kills: int) -> list[str]:
        if kills and len(sessions) - len(late) < len(sessions) / 3:
            return [f"{len(late)} of {len(sessions)} sessions had a reason to differ: the machine is too slow for this"]
        return []

    def _new(self, kind: str, route: Route, rules: Mapping[str, str]) -> tuple[Place, Lane]:
        name = f"{kind}-{time.time_ns()}"
        (self._field.folder / name).mkdir()
        lane = new_lane(route, name, self._field.topics)
        return self._field.place(name, lane.names, rules), lane

    def _expected(self) -> Settled:
        if self._calm is None:
            place, lane = self._new("calm", ONE_LOG, BACKLOG)
            self._send(lane, self._backlog.sent)
            self._finish(JobProcess(place), place, self._backlog.sessions)
            self._calm = settled(place.store(), self._backlog.late)
            assert unverified(place) == []
        return self._calm

    def _finish(self, job: JobProcess, place: Place, sessions: Collection[str]) -> None:
        try:
            await_quiet(job, place.store(), sessions)
            assert job.stop()[0] == 0, job.log_tail()
        finally:
            job.end()

    def _send(self, lane: Lane, messages: Iterable[Sent]) -> None:
        for sent in messages:
            lane.send(sent)
        lane.finish()


def spread_cases(spread: Spread, kind: str, kills: int, rate: float) -> list[Case]:
    """`kind`: spread (backlog, then live), spread-kills (1 process), spread-cluster (3), spread-rescale (3, 1, 2)."""
    shapes = {"spread-kills": (1,), "spread-cluster": (3,), "spread-rescale": (3, 1, 2)}
    if kind == "spread":
        found = [Case(f"backlog: {route.name}", partial(spread.backlog_case, route)) for route in ROUTES]
        live = [
            Case(f"live: {route.name}", partial(spread.live_case, route, (1,), 0, rate, 60.0)) for route in LIVE_ROUTES
        ]
        return found + live
    seconds = 8.0 * kills
    return [
        Case(f"{kind}: {route.name}", partial(spread.live_case, route, shapes[kind], kills, rate, seconds))
        for route in LIVE_ROUTES
    ]
