"""Files that have left the lake's tables and are still in the bucket, for readers of an older Iceberg snapshot.

Only in a lake that a registrar keeps Iceberg tables of (`_job/iceberg.json` is there). What such a lake replaces is not
deleted or overwritten, which would break a query on the state before; it is named in a list under `_job/retired/`:

    listed                readers of the lake ignore it
    left (`left_ms` set)  the registrar has committed tables without it; no snapshot that reaches it is current
    deleted               the time of grace after that is over, and no snapshot is left that reaches it
"""

from collections.abc import Iterable, Iterator

import msgspec

from schemas.keys import REGISTRAR, RETIRED
from sinks.store import ObjectMissing, ObjectStore


class Registration(msgspec.Struct, frozen=True):
    """Whose tables the lake's files are in. `grace_seconds`: how long a query may take that has begun."""

    catalog: str
    namespace: str
    grace_seconds: int
    version: int = 1


class Retired(msgspec.Struct, frozen=True):
    """One list. `left_ms`: since when no current snapshot reaches its files, epoch ms; None: that is not known yet."""

    keys: list[str]
    left_ms: int | None = None


def registration(store: ObjectStore) -> Registration | None:
    """Who registers this lake, if anybody."""
    try:
        return msgspec.json.decode(store.read(REGISTRAR), type=Registration)
    except ObjectMissing:
        return None


def register(store: ObjectStore, wanted: Registration) -> None:
    """From now on files are retired before they are deleted."""
    if registration(store) != wanted:
        store.put({REGISTRAR: msgspec.json.encode(wanted)})


def retire(store: ObjectStore, name: str, keys: Iterable[str], left_ms: int | None = None) -> None:
    """Name files that go. The same again is the same list."""
    keys = sorted(keys)
    if keys:
        store.put({f"{RETIRED}{name}": msgspec.json.encode(Retired(keys, left_ms))})


def retired_lists(store: ObjectStore) -> Iterator[tuple[str, Retired]]:
    """Name and content of every list."""
    for one in store.list(RETIRED):
        try:
            yield one.key.removeprefix(RETIRED), msgspec.json.decode(store.read(one.key), type=Retired)
        except ObjectMissing:
            continue  # its files have just been deleted


def retired_keys(store: ObjectStore) -> frozenset[str]:
    """Every file that is named in a list."""
    return frozenset(key for _, retired in retired_lists(store) for key in retired.keys)


def say_left(store: ObjectStore, name: str, retired: Retired, now_ms: int) -> None:
    """No current snapshot reaches these files any more."""
    retire(store, name, retired.keys, now_ms)


def delete_retired(store: ObjectStore, name: str, retired: Retired) -> int:
    """Files first, so that a list is there as long as one of them is. Returns how many were named."""
    store.delete(retired.keys)
    store.delete([f"{RETIRED}{name}"])
    return len(retired.keys)
