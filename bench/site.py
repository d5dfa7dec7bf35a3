"""The traffic of a site: visitors that send lines, every tenth of them recorded."""

import random
from collections.abc import Iterator, Sequence

import msgspec

from bench.clones import Recording
from bench.traffic import START_MS, Load, Sent, merged, session_messages
from schemas.units import MS_PER_HOUR


class Site(msgspec.Struct, frozen=True):
    """`sessions_per_day` visits, evenly over the day. A recorded visit is a whole recording, lines and replay."""

    sessions_per_day: int
    lines_per_session: float = 80
    recorded_share: float = 0.1
    oversize_share: float = 0.0
    seed: int = 1


def site_traffic(site: Site, hours: float, recordings: Sequence[Recording]) -> Iterator[Sent]:
    """The messages of some hours in order of their receive time."""
    count = round(site.sessions_per_day * hours / 24)
    dice = random.Random(site.seed)
    load = Load(sessions=count, lines_per_session=site.lines_per_session, hours=hours, seed=site.seed)
    starts = sorted(START_MS + dice.randrange(int(hours * MS_PER_HOUR)) for _ in range(count))

    def visit(number: int, start_ms: int) -> tuple[int, list[Sent]]:
        if dice.random() < site.recorded_share:
            return start_ms, dice.choice(recordings).clone(number, start_ms)
        is_oversize = dice.random() < site.oversize_share
        return start_ms, session_messages(load, number, start_ms, is_oversize=is_oversize)

    return merged(visit(number, start_ms) for number, start_ms in enumerate(starts))
