"""One job a lake: who may write, so that two jobs started by mistake, or one that was thought dead, change nothing.

Two things, both small objects under `_job/`. The *owner* names the job whose recovery folder holds the lake's state;
another job is refused at its start. The *fence* of a partition names the writer that last took it over; an older
writer that wakes up finds another name there and stops before it publishes.
"""

import msgspec

from schemas.keys import OWNER, fence_key
from sinks.store import ObjectMissing, ObjectStore, StoreError

_VERSION = 1


class NotTheOwner(StoreError):
    """The lake belongs to another job."""


class Fenced(StoreError):
    """Another writer has taken the partition over; this one must stop."""


class _Owner(msgspec.Struct):
    version: int
    job_id: str


def claim_lake(store: ObjectStore, job_id: str, *, is_new: bool, take_over: bool = False) -> None:
    """Make this job the lake's owner, or see that it is. `is_new`: the job has no state yet, so it owns no lake.

    `take_over`: whoever owned it before does no more. Raises NotTheOwner. Two first starts at the very same moment
    are told apart by the fences.
    """
    owner = owner_of(store)
    if owner == job_id:
        return
    if owner is None and not is_new and not take_over:
        raise NotTheOwner(
            f"{store.uri} is not the lake that the state of this job ({job_id}) belongs to: nothing there says so. "
            "Name the right lake, or use --take-over when it was moved without its _job/ folder"
        )
    if owner is not None and not take_over:
        raise NotTheOwner(
            f"{store.uri} is written by another job ({owner}; this one is {job_id}). Two jobs on one lake would "
            "write everything twice. Start with that job's recovery folder, or, when it is lost for good, see "
            "'Restore' in docs/operations.md and use --take-over"
        )
    store.put({OWNER: msgspec.json.encode(_Owner(_VERSION, job_id))})


def owner_of(store: ObjectStore) -> str | None:
    """The id of the job that writes the lake; None where no streaming job ever did."""
    try:
        return msgspec.json.decode(store.read(OWNER), type=_Owner).job_id
    except ObjectMissing:
        return None


class Fence:
    """Of one partition. `token` is new for every writer that is built."""

    def __init__(self, store: ObjectStore, partition: str, token: str) -> None:
        self._store = store
        self._partition = partition
        self._token = token

    def take(self) -> None:
        """From now on only this writer publishes."""
        self._store.put({fence_key(self._partition): self._token.encode()})

    def check(self) -> None:
        """Raises Fenced when another writer has taken over."""
        holder = self._store.read(fence_key(self._partition)).decode()
        if holder != self._token:
            raise Fenced(
                f"partition {self._partition} of {self._store.uri} was taken over by another process "
                f"({holder}; this one is {self._token}): this process stops and publishes nothing more"
            )
