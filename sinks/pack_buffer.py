"""Items of a shard on their way into packs, and which packs hold what its earlier epochs received."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from operators.assemble import references
from operators.windows.tracker import CloseOrder
from schemas.keys import pack_key
from schemas.pack import PackEntry, key_hash
from sinks.packs import PackStore
from sinks.publisher import LostObject

PackedEpoch = tuple[int, int, list[str]]  # (epoch, receive clock at its first pack in ms or 0, keys of its packs)


class PackBuffer:
    """Of one shard. `incarnation`: makes names of packs differ from those of an earlier process.

    Packs go up once, under names that nothing refers to until a state does.
    """

    def __init__(self, packs: PackStore, shard: str, incarnation: str, packed: Iterable[PackedEpoch] = ()) -> None:
        self._packs = packs
        self._shard = shard
        self._incarnation = incarnation
        self._waiting: defaultdict[tuple[str, str], list[PackEntry]] = defaultdict(list)
        self.waiting_bytes = 0  # of the bodies and what was read of them
        self._packed: dict[int, tuple[int, list[str]]] = {seq: (clock_ms, keys) for seq, clock_ms, keys in packed}

    @property
    def is_empty(self) -> bool:
        """Whether everything taken is in a pack."""
        return not self._waiting

    def packed(self) -> list[PackedEpoch]:
        """Epochs whose packs may still be referred to: a part of the state."""
        return [(seq, clock_ms, keys) for seq, (clock_ms, keys) in self._packed.items()]

    def take(self, entries: list[PackEntry]) -> None:
        """Keep the items of the running epoch until `flush`."""
        waiting, held_bytes = self._waiting, 0
        for entry in entries:
            item = entry.item
            waiting[item.app_id, item.session_id].append(entry)
            held_bytes += len(item.body) if item.scan is None else item.held_bytes
        self.waiting_bytes += held_bytes

    def flush(self, seq: int, clock_ms: int) -> int:
        """Write what waits as one pack of epoch `seq`; its size in bytes, 0 without one. Durable on return."""
        if not self._waiting:
            return 0
        _, keys = self._packed.setdefault(seq, (clock_ms, []))
        key = pack_key(self._shard, seq, len(keys), self._incarnation)
        written_bytes = self._packs.write(key, self._waiting)
        keys.append(key)
        self._waiting, self.waiting_bytes = defaultdict(list), 0
        return written_bytes

    def entries(self, order: CloseOrder, seq: int) -> Mapping[tuple[int, int], PackEntry]:
        """The items of a session, by (epoch, ordinal): all that a close refers to. `seq`: the running epoch.

        Raises LostObject.
        """
        wanted = set(references(order))
        found: dict[tuple[int, int], PackEntry] = {}
        for epoch in sorted({epoch for epoch, _ in wanted}):
            entries = list(self._waiting.get((order.app_id, order.session_id), ())) if epoch == seq else []
            _, keys = self._packed.get(epoch, (0, []))
            entries += self._packs.read(keys, order.app_id, order.session_id)
            found.update([((epoch, entry.ordinal), entry) for entry in entries])
        if gone := wanted.difference(found):
            raise LostObject(f"{len(gone)} items of a session of shard {self._shard} are gone")
        return found

    def erase(self, app_id: str, session_id: str) -> None:
        """Drop a session's items, also from packs that are stored."""
        self._waiting.pop((app_id, session_id), None)
        self._packs.erase({key_hash(app_id, session_id)}, self.names)

    @property
    def names(self) -> list[str]:
        """Keys of all packs that are known."""
        return [key for _, keys in self._packed.values() for key in keys]

    def forget(self, clock_ms: int, age_ms: int) -> None:
        """Packs begun longer than `age_ms` ago are referred to no more. They are not deleted.

        A pack that was begun before the shard knew its clock ages from the moment when it does.
        """
        aged = {seq: (begun_ms or clock_ms, keys) for seq, (begun_ms, keys) in self._packed.items()}
        self._packed = {seq: pack for seq, pack in aged.items() if pack[0] >= clock_ms - age_ms}

    def forget_all(self) -> None:
        """Nothing refers to any pack. They are not deleted."""
        self._packed = {}
