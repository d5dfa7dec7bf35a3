"""Files of a table replaced by others, so that a reader sees every row exactly once, whenever it looks.

A store cannot swap several objects at once, so one small object says what is going on (`_job/compaction.json`):

    none --prepare--> prepared --commit--> committed --finish--> none
                      the output is put    the replaced files are deleted

While a swap is prepared, readers ignore its outputs; while it is committed, they ignore what it replaces. Every step
gives the table a new number. A reader reads the object, lists, and reads the object again; the same number twice means
that nothing of the table was swapped meanwhile, and the list is exact. Decision 7 has the reasons.

In a lake that has Iceberg tables, what was replaced is retired instead of deleted (`sinks.retired`): readers of the
lake ignore it from then on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from schemas.errors import Declined, MustAct, ReplayLakeError, TryAgain
from schemas.keys import SWAP, TABLE_ENDING, TABLES, partition_value
from sinks.parallel import in_parallel
from sinks.retired import registration, retire, retired_keys
from sinks.stated_names import digest_of
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore

_VERSION = 2  # of a journal that the release before must not ignore; without retired files and second outputs it is 1
_LOOKS = 30  # a compaction of many days may swap while we list; its swaps are short and far apart

Days = tuple[str, str]  # first and last UTC day, both included


class LakeRestless(TryAgain):
    """Files of a table were replaced each time it was listed."""


class Swap(msgspec.Struct, frozen=True):
    """What is replaced by what, in one table. `output`: the first of the new files, "" when there is none."""

    table: str
    output: str
    replaced: list[str]
    is_committed: bool = False
    more_outputs: list[str] = []

    @property
    def outputs(self) -> list[str]:
        return [*([self.output] if self.output else []), *self.more_outputs]


class Journal(msgspec.Struct, frozen=True):
    """The one object. `numbers`: steps taken so far, by table; `retires`: there are, or were, retired files."""

    version: int = 1
    numbers: dict[str, int] = {}
    swap: Swap | None = None
    retires: bool = False

    def hidden(self) -> frozenset[str]:
        """Keys that a reader ignores."""
        if self.swap is None:
            return frozenset()
        return frozenset(self.swap.replaced if self.swap.is_committed else self.swap.outputs)


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
    journal, retired = _state(store)
    for _ in range(_LOOKS):
        found |= dict(in_parallel(listed, wanted))
        before, retired_before = journal, retired
        journal, retired = _state(store)
        restless = [table for table in wanted if before.numbers.get(table) != journal.numbers.get(table)]
        hidden = journal.hidden() | retired_before | retired
        for table in set(wanted).difference(restless):
            found[table] = [one for one in found[table] if one.key not in hidden]
        if not restless:
            return found
        wanted = restless
    raise LakeRestless(f"files of {', '.join(wanted)} were replaced {_LOOKS} times while they were listed: try again")


def table_objects(store: ObjectStore, prefix: str = TABLES) -> list[ObjectInfo]:
    """Every table file that is not retired. Only with the lake's lock: then no swap is going on."""
    _, retired = _state(store)
    return [one for one in store.list(prefix) if one.key not in retired]


def read_journal(store: ObjectStore) -> Journal:
    """What is going on; raises MustAct for a journal of a later version."""
    try:
        journal = msgspec.json.decode(store.read(SWAP), type=Journal)
    except ObjectMissing:
        return Journal()
    if journal.version > _VERSION:
        raise MustAct(f"{SWAP} has version {journal.version}, this release reads version {_VERSION}")
    return journal


def prepare(store: ObjectStore, table: str, outputs: Sequence[str], replaced: Iterable[str]) -> None:
    """From now on readers ignore `outputs`, which are not there yet. Only with the lake's lock, like all below."""
    first, *more = outputs or [""]
    _step(store, table, Swap(table, first, sorted(replaced), more_outputs=more))


def commit(store: ObjectStore) -> None:
    """From now on readers take the outputs, which are whole, and ignore what they replace."""
    swap = _open_swap(store)
    _step(store, swap.table, msgspec.structs.replace(swap, is_committed=True))


def settle(store: ObjectStore) -> Mapping[str, int]:
    """End a swap at whatever step it is; the same after a crash. Returns how many files went, by table."""
    swap = read_journal(store).swap
    if swap is None:
        return {}
    gone = swap.replaced if swap.is_committed else swap.outputs
    retires = swap.is_committed and registration(store) is not None
    if retires:
        retire(store, f"swap-{digest_of(':'.join(gone))}", gone)
    else:
        store.delete(gone)
    _step(store, swap.table, None, retires=retires)
    return {swap.table: len(gone)}


def replace_files(store: ObjectStore, table: str, replaced: Sequence[str], outputs: Mapping[str, bytes]) -> None:
    """All at once: files of a table go, others with their rows come. Noted as removed they must be already."""
    prepare(store, table, sorted(outputs), replaced)
    try:
        store.put(outputs)
    except ReplayLakeError:
        settle(store)
        raise
    commit(store)
    settle(store)


def _open_swap(store: ObjectStore) -> Swap:
    swap = read_journal(store).swap
    if swap is None or swap.is_committed:
        raise Declined(f"{SWAP} has no swap that could be committed: does another process change this lake?")
    return swap


def _step(store: ObjectStore, table: str, swap: Swap | None, *, retires: bool = False) -> None:
    before = read_journal(store)
    retires = retires or before.retires
    numbers = before.numbers | {table: before.numbers.get(table, 0) + 1}
    version = _VERSION if retires or (swap is not None and swap.more_outputs) else 1
    store.put({SWAP: msgspec.json.encode(Journal(version, numbers, swap, retires))})


def _state(store: ObjectStore) -> tuple[Journal, frozenset[str]]:
    """What is going on, and what is retired."""
    journal = read_journal(store)
    return journal, retired_keys(store) if journal.retires else frozenset()


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
