"""Everything that can go wrong and that a caller must tell apart, by what there is to do about it.

    ReplayLakeError          the message is one line for a person
    ├── TryAgain             the same may work a while later: something did not answer, or was busy
    ├── MustAct              first a person changes something: a setting, a permission, a topic, a disk
    ├── Declined             what was asked would do harm now; nothing was changed
    └── Damaged              bytes are not what their format says, or are gone

A store's own errors are a branch across (`sinks.store.StoreError`). The command line catches the root, in one place.
What a request of `serve` or of the intake is refused with is an answer and is not here.
"""

from collections.abc import Iterator
from typing import ClassVar


class ReplayLakeError(Exception):
    """The root. `exit_code`: what a command ends with that this one ends."""

    exit_code: ClassVar[int] = 1


class TryAgain(ReplayLakeError):
    """The same may work a while later."""


class MustAct(ReplayLakeError):
    """It will not work before a person has changed something; the message says what."""


class Declined(ReplayLakeError):
    """It must not be done now; nothing was changed."""


class Damaged(ReplayLakeError):
    """Bytes are not what their format says, or are gone that must be there."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from: the engine wraps what the flow raises."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__
