"""All cases of what a topic, a broker and a clock do to the job, by subject and name."""

from collections.abc import Callable, Mapping
from functools import partial

from tests.torture.clocks import (
    clock_ahead_and_back,
    clock_set_back,
    machine_ahead,
    machine_behind,
    stop_while_set_back,
)
from tests.torture.field import HOURS_AGO_MS, Field
from tests.torture.offsets import (
    fewer_partitions,
    grown,
    latest_and_idle,
    made_again,
    renamed,
    transactions,
    truncated,
    truncated_behind,
)
from tests.torture.stamps import stamps
from tests.torture.state import backup, garbage, group_offsets, taken_over
from tests.torture.verdicts import Case

Check = Callable[[Field], list[str]]
_CHOICES = ("stop", "earliest", "latest")
CASES: Mapping[str, Mapping[str, Check]] = {  # by subject and name
    "stamps": {
        "impossible stamps, live": partial(stamps, age_ms=0),
        "impossible stamps, backlog": partial(stamps, age_ms=HOURS_AGO_MS),
    },
    "clocks": {
        "machine 10 h ahead for a while": machine_ahead,
        "machine 1 h behind for a while": machine_behind,
        "clock set back an hour": clock_set_back,
        "clock 10 h ahead and back": clock_ahead_and_back,
        "SIGTERM while it is set back": stop_while_set_back,
    },
    "offsets": {
        "transactions": transactions,
        **{f"topic made again, shorter, {one}": partial(made_again, choice=one, longer=False) for one in _CHOICES},
        **{f"topic made again, longer, {one}": partial(made_again, choice=one, longer=True) for one in _CHOICES},
        **{f"truncated before it was read, {one}": partial(truncated, choice=one) for one in _CHOICES},
        "truncated after it was read": truncated_behind,
        **{f"2 to 4 partitions, {one}": partial(grown, start=one) for one in ("earliest", "latest")},
        "latest and an idle partition": latest_and_idle,
        **{f"fewer partitions, {one}": partial(fewer_partitions, choice=one) for one in ("stop", "earliest")},
        "renamed topic": renamed,
    },
    "state": {"recovery folder from a backup": backup, "recovery folder lost": taken_over},
    "operators": {"group offsets": group_offsets, "share of garbage": garbage},
}


def cases(field: Field) -> dict[str, list[Case]]:
    """All of them, by subject, to be judged on this broker."""
    return {
        subject: [Case(name, partial(check, field)) for name, check in checks.items()]
        for subject, checks in CASES.items()
    }
