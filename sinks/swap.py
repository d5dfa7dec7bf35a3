"""Many files of a table replaced by one, so that a reader sees every row exactly once, whenever it looks.

A store cannot swap several objects at once, so one small object says what is going on (`_job/compaction.json`):

    none --prepare--> prepared --commit--> committed --finish--> none
                      the output is put    the replaced files are deleted

While a swap is prepared, readers ignore its output; while it is committed, they ignore what it replaces. Every step
gives the table a new number. A reader reads the object, lists, and reads the object again; the same number twice means
that nothing of the table was swapped meanwhile, and the list is exact. Decision 7 has the reasons.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from schemas.errors import Declined, MustAct, TryAgain
from schemas.keys import SWAP, TABLE_ENDING, TABLES, partition_value
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore

_VERSION = 1
_LOOKS = 30  # a compaction of many days may swap while we list; its swaps are short and far apart

Days = tuple[str, str]  # first and last UTC day, both included


class LakeRestless(TryAgain):
    """Files of a table were replaced each time it was listed."""


class Swap(msgspec.Struct, frozen=True):
    """What is replaced by what. All keys are below one folder of the table."""

    table: str
    output: str
    replaced: list[str]
    is_committed: bool = False


class Journal(msgspec.Struct, frozen=True):
    """The one object. `numbers`: steps taken so far, by table."""

    version: int = _VERSION
    numbers: dict[str, int] = {}
    swap: Swap | None = None

    def hidden(self) -> frozenset[str]:
        """Keys that a reader ignores."""
        if self.swap is None:
            return frozenset()
        return frozenset(self.swap.replaced if self.swap.is_committed else [self.swap.output])


def visible_files(store: ObjectStore, tables: Iterable[str], days: Days | None = None) -> dict[str, list[ObjectInfo]]:
    """The Parquet files of each table that hold every row exactly once. Raises LakeRestless.

    A file may be gone when it is opened (ObjectMissing): then list again, what it held is in another file or expired.
    """
    return _visible(store, tables, lambda table: _listed(store, table, days))


def visible_day(store: ObjectStore, tables: Iterable[str], day: str) -> dict[str, list[ObjectInfo]]:
    """The same for one day, of which only the folders are listed."""
    return _visible(store, tables, lambda table: _listed_day(store, table, day))


def _visible(
    store: ObjectStore, tables: Iterable[str], listed: Callable[[str], list[ObjectInfo]]
) -> dict[str, list[ObjectInfo]]:
    found: dict[str, list[ObjectInfo]] = {}
    wanted = list(tables)
    journal = read_journal(store)
    for _ in range(_LOOKS):
        found |= dict(in_parallel(listed, wanted))
        before, journal = journal, read_journal(store)
        restless = [table for table in wanted if before.numbers.get(table) != journal.numbers.get(table)]
        hidden = journal.hidden()
        for table in set(wanted).difference(restless):
            found[table] = [one for one in found[table] if one.key not in hidden]
        if not restless:
            return found
        wanted = restless
    raise LakeRestless(f"files of {', '.join(wanted)} were replaced {_LOOKS} times while they were listed: try again")


def read_journal(store: ObjectStore) -> Journal:
    """What is going on; raises MustAct for a journal of a later version."""
    try:
        journal = msgspec.json.decode(store.read(SWAP), type=Journal)
    except ObjectMissing:
        return Journal()
    if journal.version != _VERSION:
        raise MustAct(f"{SWAP} has version {journal.version}, this release reads version {_VERSION}")
    return journal


def prepare(store: ObjectStore, table: str, output: str, replaced: Iterable[str]) -> None:
    """From now on readers ignore `output`, which is not there yet. Only with the lake's lock, like all below."""
    _step(store, table, Swap(table, output, sorted(replaced)))


def commit(store: ObjectStore) -> None:
    """From now on readers take the output, which is whole, and ignore what it replaces."""
    swap = _open_swap(store)
    _step(store, swap.table, msgspec.structs.replace(swap, is_committed=True))


def settle(store: ObjectStore) -> Mapping[str, int]:
    """End a swap at whatever step it is; the same after a crash. Returns how many files went, by table."""
    swap = read_journal(store).swap
    if swap is None:
        return {}
    gone = swap.replaced if swap.is_committed else [swap.output]
    store.delete(gone)
    _step(store, swap.table, None)
    return {swap.table: len(gone)}


def _open_swap(store: ObjectStore) -> Swap:
    swap = read_journal(store).swap
    if swap is None or swap.is_committed:
        raise Declined(f"{SWAP} has no swap that could be committed: does another process change this lake?")
    return swap


def _step(store: ObjectStore, table: str, swap: Swap | None) -> None:
    numbers = read_journal(store).numbers
    journal = Journal(numbers=numbers | {table: numbers.get(table, 0) + 1}, swap=swap)
    store.put({SWAP: msgspec.json.encode(journal)})


def _listed(store: ObjectStore, table: str, days: Days | None) -> list[ObjectInfo]:
    return [
        one
        for one in store.list(f"{TABLES}{table}/")
        if one.key.endswith(TABLE_ENDING)
        and (days is None or days[0] <= (partition_value(one.key, "dt") or "") <= days[1])
    ]


def _listed_day(store: ObjectStore, table: str, day: str) -> list[ObjectInfo]:
    classes = store.folders(f"{TABLES}{table}/")
    folders = [f"{TABLES}{table}/{retention}/dt={day}/" for retention in classes]
    return [one for folder in folders for one in store.list(folder) if one.key.endswith(TABLE_ENDING)]
