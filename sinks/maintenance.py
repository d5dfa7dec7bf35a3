"""One command at a time changes objects of a lake: erase, hold, migrate, compact.

A lock is an object with a name of its own. Who puts one and then sees another steps back; stores list what was put
before, so two can both step back, but not both go on.
"""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from schemas.errors import Declined
from schemas.keys import LOCKS
from schemas.units import MS_PER_HOUR
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import settle

_STALE_MS = 6 * MS_PER_HOUR


class LakeBusy(Declined):
    """Another command changes the lake right now."""


class _Lock(msgspec.Struct):
    command: str
    host: str
    process_id: int


@contextmanager
def maintenance(store: ObjectStore, command: str, now_ms: int) -> Iterator[Callable[[], None]]:
    """Hold the lake's lock, and end what a compaction that was cut off has begun. Raises LakeBusy.

    A lock of a dead process of this machine, or of 6 hours ago, is void. What is yielded makes the lock new again, for
    work that takes longer, and raises LakeBusy when it was taken away.
    """
    key = f"{LOCKS}{secrets.token_hex(8)}"
    content = msgspec.json.encode(_Lock(command, socket.gethostname(), os.getpid()))

    def renew() -> None:
        if not store.exists(key):
            raise LakeBusy(f"the lock of `{command}` on {store.uri} was taken away: nothing more is changed")
        store.put({key: content})

    store.put({key: content})
    try:
        for other in store.list(LOCKS):
            if other.key != key:
                _refuse(store, other, now_ms)
        settle(store)
        yield renew
    finally:
        store.delete([key])


def _refuse(store: ObjectStore, found: ObjectInfo, now_ms: int) -> None:
    try:
        lock = msgspec.json.decode(store.read(found.key), type=_Lock)
    except ObjectMissing:
        return  # it has just ended
    is_dead = lock.host == socket.gethostname() and not Path(f"/proc/{lock.process_id}").exists()
    if is_dead or found.modified_ms < now_ms - _STALE_MS:
        store.delete([found.key])
        return
    raise LakeBusy(
        f"`{lock.command}` changes {store.uri} right now (process {lock.process_id} on {lock.host}): "
        f"wait for its end; if it is dead for sure, delete {found.key!r}"
    )
