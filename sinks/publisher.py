"""Phase two of the writer: objects of staged bundles get their final names, once the state that lists them is durable.

Whatever happens between staging and publishing, the outcome is the same: publishing again puts the same bytes under the
same names. Only this file makes anything visible to readers.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from schemas.bundle import decode_bundle, encode_bundle
from schemas.errors import Declined
from schemas.keys import REPLAYS, TABLES, is_style
from sinks.fence import Fence
from sinks.notices import removed_of
from sinks.stated_names import not_there, stated_name
from sinks.store import ObjectMissing, ObjectStore, StoreError

_SESSIONS = f"{TABLES}sessions/"


class NameTaken(Declined):
    """What is to be published has the name of something else; it is left as it is."""


class LostObject(StoreError):
    """A committed object is neither staged nor published: the store lost it, or something foreign deleted it."""


class StagedBundle(msgspec.Struct, array_like=True):
    """A staged object, and the final keys of what is in it, as `stated_name` writes them."""

    key: str
    finals: list[str]


class Publisher:
    """Stages and publishes for one shard. Every method may block on the store.

    `fence`: asked before anything becomes visible, stops a writer that was replaced; None: there cannot be another.
    `pending`: bundles that an earlier process staged and its state lists.
    """

    def __init__(self, store: ObjectStore, fence: Fence | None, pending: Iterable[StagedBundle] = ()) -> None:
        self._store = store
        self._fence = fence
        self._staged: list[StagedBundle] = []  # of this epoch, no state lists them yet
        self._pending = list(pending)
        self._last: dict[str, dict[str, bytes]] = {}  # the newest bundle by its key, so that it need not be read back

    def take_over(self, seq: int) -> None:
        """From now on only this writer publishes; `seq`: the last epoch its state holds. Raises StaleState."""
        if self._fence is not None:
            self._fence.take(seq)

    @property
    def pending(self) -> list[StagedBundle]:
        """Bundles that a state lists and that are not visible yet."""
        return self._pending

    def stage(self, key: str, objects: Mapping[str, bytes]) -> None:
        """Store objects, by final key, as one bundle that nothing refers to yet."""
        self._store.put({key: encode_bundle(objects)})
        self._staged.append(StagedBundle(key, list(map(stated_name, objects))))
        self._last = {key: dict(objects)}

    def end_epoch(self) -> None:
        """What was staged is pending from here on: the caller commits a state that lists it."""
        self._pending += self._staged
        self._staged = []

    def publish(self, seq: int) -> None:
        """Make visible what is pending, up to epoch `seq`. Only call when the state that lists it is durable.

        Raises Fenced, NameTaken, LostObject.
        """
        if not self._pending:
            return
        if self._fence is not None:
            self._fence.note(seq)
        for bundle in self._pending:
            styles, blobs, *tables = _in_order(self._content(bundle))
            if styles:
                self._store.put(styles)
            if blobs:
                self._create(blobs)
            for objects in filter(None, tables):
                self._store.put(objects)
        self._delete_pending()

    def discard(self) -> None:
        """Delete what is pending, as if it had never been staged."""
        self._delete_pending()

    def _delete_pending(self) -> None:
        self._store.delete([bundle.key for bundle in self._pending])
        self._pending, self._last = [], {}

    def _create(self, blobs: Mapping[str, bytes]) -> None:
        """A blob's name has no hash of its content, so what another writer has put under it must stay as it is.

        Raises NameTaken.
        """
        taken = self._store.create(blobs)
        others = [key for key in sorted(taken) if self._store.read(key) != blobs[key]]  # else: an earlier try of ours
        if others:
            self._store.delete([key for key in blobs if key not in taken])
            raise NameTaken(
                f"{len(others)} replays are in {self._store.uri} already with other content, the first: {others[0]}. "
                "Somebody else wrote these sessions, as a backfill beside the job does. Nothing was overwritten; erase "
                "the session there (`replaylake erase`), then start again"
            )

    def _content(self, bundle: StagedBundle) -> dict[str, bytes]:
        """The objects of a bundle still to publish. Raises LostObject if one is in neither the bundle nor the lake."""
        objects = self._last.get(bundle.key)
        if objects is not None:
            return objects
        try:
            objects = decode_bundle(self._store.read(bundle.key))
        except ObjectMissing:
            objects = {}  # an earlier process has published it, and died before its state said so
        removed = removed_of(self._store, bundle.finals)  # published by that process, and compacted or erased since
        stated = {stated_name(final): final for final in objects}
        for name in not_there(self._store, set(bundle.finals).difference(stated, objects, removed)):
            raise LostObject(f"{name!r} was committed, but neither it nor its staged bundle {bundle.key!r} is there")
        return {final: objects[final] for name, final in stated.items() if removed.isdisjoint((name, final))}


def _in_order(objects: Mapping[str, bytes]) -> Sequence[dict[str, bytes]]:
    """What is needed becomes visible first: styles, blobs, their index and the lines, then sessions."""
    steps: tuple[dict[str, bytes], ...] = ({}, {}, {}, {})
    for key, content in objects.items():
        steps[_step(key)][key] = content
    return steps


def _step(final: str) -> int:
    if final.startswith(REPLAYS):
        return 0 if is_style(final) else 1
    return 3 if final.startswith(_SESSIONS) else 2
