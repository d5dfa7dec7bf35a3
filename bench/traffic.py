"""The load generator: RUM lines of made-up visitors, days of them in a moment, the same for the same numbers.

Every line is a real one with its own ids and times. Visitors come at random, stay for two minutes or four hours, and
their lines reach the intake as real ones do: late by a flush, out of order, at times twice, a final one hours later.
"""

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from bench.forms import FORMS, JSON, LINE_KINDS, Form, recorded
from bench.templates import Line
from schemas.units import MIB, MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND

START_MS = 1_795_000_000_000  # 18 November 2026: fixed, so that a run can be repeated

# Shares as in recordings of real SDKs: a view is sent again and again with its newest state.
_KIND_WEIGHTS = (20, 10, 4, 58, 8)  # of LINE_KINDS
_STAYS = (  # (share of sessions, shortest, longest stay in minutes)
    (60, 0.2, 2.0),
    (25, 5.0, 15.0),
    (13, 15.0, 60.0),
    (2, 60.0, 250.0),
)
_FLUSH_MS = 30 * MS_PER_SECOND  # an SDK holds a line back so long at most
_BATCH_MS = 10 * MS_PER_MINUTE  # less than what ends a session
_LAG_MEAN_MS = 6 * MS_PER_SECOND
_VIEW_LINES = 12  # lines a view, on average
_MEAN_MINUTES = sum(share * (low + high) / 2 for share, low, high in _STAYS) / sum(share for share, _, _ in _STAYS)


class Sent(NamedTuple):
    """One message as an intake sends it; they sort by receive time."""

    received_ms: int
    number: int  # of the session
    position: int  # in the session
    key: bytes
    type: bytes
    headers: dict[str, bytes]
    value: bytes
    lines: int = 1


class Load(msgspec.Struct, frozen=True):
    """How much traffic of which kind. The result depends on nothing else."""

    sessions: int
    lines_per_session: float
    hours: float
    apps: int = 3
    duplicate_share: float = 0.02  # of lines, sent again 1 s to 9 s later
    late_final_share: float = 0.002  # of sessions: one more state of a view, 0.25 h to 18 h later
    oversize: int = 0  # lines beyond the job's message limit
    oversize_bytes: int = 9 * MIB
    form: str = JSON  # of `bench.forms.FORMS`
    seed: int = 1


def traffic(load: Load) -> Iterator[Sent]:
    """All messages in order of their receive time. Held in memory: what the open sessions have still to send."""
    dice = random.Random(load.seed)
    span_ms = int(load.hours * MS_PER_HOUR)
    starts = sorted(dice.randrange(span_ms) for _ in range(load.sessions))
    oversize = set(dice.sample(range(load.sessions), load.oversize))
    return merged(
        (START_MS + start, session_messages(load, number, START_MS + start, is_oversize=number in oversize))
        for number, start in enumerate(starts)
    )


def merged(sessions: Iterable[tuple[int, Sequence[Sent]]]) -> Iterator[Sent]:
    """The messages of all sessions, (start, messages) in order of their start, by receive time."""
    waiting: list[Sent] = []
    for start_ms, messages in sessions:
        while waiting and waiting[0].received_ms < start_ms:
            yield heapq.heappop(waiting)
        for message in messages:
            heapq.heappush(waiting, message)
    while waiting:
        yield heapq.heappop(waiting)


def session_messages(load: Load, number: int, start_ms: int, *, is_oversize: bool = False) -> list[Sent]:
    """One visitor's messages, in the order in which the lines were made."""
    dice = random.Random(load.seed * 1_000_003 + number)
    lots = random.Random(load.seed * 1_000_003 + number)  # of templates, whose number depends on the form
    session_id = f"{load.seed:08x}-0000-4000-8000-{number:012x}"
    app_id = f"app-{number % load.apps:04d}"
    minutes = _stay_minutes(dice)
    count = max(2, round(load.lines_per_session * (0.5 + 0.5 * minutes / _MEAN_MINUTES) * dice.uniform(0.7, 1.3)))
    stay_ms = int(minutes * MS_PER_MINUTE)
    times = sorted(start_ms + dice.randrange(stay_ms) for _ in range(count))
    form = recorded(load.form)
    templates = form.templates
    kinds = [LINE_KINDS[0], *dice.choices(LINE_KINDS, _KIND_WEIGHTS, k=count - 1)]  # a session begins with a view
    key = session_id.encode()
    view_number, view_ms = 0, times[0]
    found: list[Sent] = []

    def send(received_ms: int, value: bytes) -> None:
        found.append(Sent(received_ms, number, len(found), key, form.type, form.headers, value))

    value = b""
    for position, (time_ms, kind) in enumerate(zip(times, kinds, strict=True)):
        if position and dice.random() < 1 / _VIEW_LINES:
            view_number, view_ms = view_number + 1, time_ms
        is_view = kind is LINE_KINDS[0]
        line = Line(
            app_id=app_id,
            session_id=session_id,
            view_id=f"{number:08x}-{view_number:04x}",
            line_id=f"{number:08x}-{position:06x}",
            user_id=f"u-{number}",
            time_ms=view_ms if is_view else time_ms,
            time_spent_ns=(time_ms - view_ms) * 1_000_000,
        )
        value = line.fill(lots.choice(templates[kind]))
        if is_oversize and position == 0:
            value = value[:-1] + b',"padding":"' + b"x" * load.oversize_bytes + b'"}'
        received_ms = time_ms + min(_FLUSH_MS, int(dice.expovariate(1 / _LAG_MEAN_MS)))
        send(received_ms, value)
        if dice.random() < load.duplicate_share:
            send(received_ms + dice.randrange(MS_PER_SECOND, 9 * MS_PER_SECOND), value)
    if dice.random() < load.late_final_share:
        late_ms = int(dice.uniform(0.25, 18) * MS_PER_HOUR)
        last = Line(
            app_id, session_id, f"{number:08x}-{view_number:04x}", "", f"u-{number}", view_ms, late_ms * 1_000_000
        )
        send(times[-1] + late_ms, last.fill(templates[LINE_KINDS[0]][0]))
    return _in_requests(found, FORMS[load.form]) if FORMS[load.form].lines > 1 else found


def _in_requests(lines: list[Sent], form: Form) -> list[Sent]:
    """Lines in requests as an SDK makes them: ten, or fewer where they come slowly.

    Lines of a real page come in bursts, these evenly; so a request waits longer for its ten than an SDK does.
    """
    requests: list[list[Sent]] = []
    for line in sorted(lines):
        if (
            not requests
            or len(requests[-1]) == form.lines
            or line.received_ms > requests[-1][0].received_ms + _BATCH_MS
        ):
            requests.append([])
        requests[-1].append(line)
    return [
        of[-1]._replace(position=at, value=form.join([one.value for one in of]), lines=len(of))
        for at, of in enumerate(requests)
    ]


def _stay_minutes(dice: random.Random) -> float:
    _, low, high = dice.choices(_STAYS, [share for share, _, _ in _STAYS])[0]
    return dice.uniform(low, high)
