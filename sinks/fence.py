"""One job a lake: who may write, so that two jobs started by mistake, or one that was thought dead, change nothing.

Small objects under `_job/`. The *owner* names the job whose recovery folder holds the lake's state; another job is
refused at its start. The *fence* of a shard names the writer that last took it over; an older writer that wakes up
finds another name there and stops. Beside it stands the last epoch that was *published*, so that a folder from before,
as from a backup, is refused and not taken for the state of the lake.
"""

import msgspec

from schemas.errors import Declined
from schemas.keys import FENCES, HEARD, OWNER, PUBLISHED, fence_key, published_key
from sinks.store import ObjectMissing, ObjectStore

_VERSION = 1


class NotTheOwner(Declined):
    """The lake belongs to another job."""


class Fenced(Declined):
    """Another writer has taken the shard over; this one must stop."""


class _Owner(msgspec.Struct):
    version: int
    job_id: str


def claim_lake(store: ObjectStore, job_id: str, *, is_new: bool, take_over: bool = False) -> bool:
    """Make this job the lake's owner, or see that it is; whether it was another's before.

    `is_new`: the job has no state yet, so it owns no lake. `take_over`: whoever owned it before does no more.

    Raises NotTheOwner. Two first starts at the very same moment are told apart by the fences.
    """
    owner = may_claim(store, job_id, is_new=is_new, take_over=take_over)
    if owner == job_id:
        return False
    if take_over:  # the shards of the job before may be others
        store.delete([one.key for prefix in (FENCES, HEARD, PUBLISHED) for one in store.list(prefix)])
    store.put({OWNER: msgspec.json.encode(_Owner(_VERSION, job_id))})
    return owner is not None


def may_claim(store: ObjectStore, job_id: str, *, is_new: bool, take_over: bool) -> str | None:
    """The owner of a lake that this job may claim, changing nothing. As `claim_lake`. Raises NotTheOwner."""
    owner = owner_of(store)
    if owner == job_id:
        return owner
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
    return owner


class StaleState(Declined):
    """The job's state is older than what was published with it: a copy, from before."""


class _Published(msgspec.Struct):
    """The last epoch that was made visible with a job's state."""

    job_id: str
    seq: int


def owner_of(store: ObjectStore) -> str | None:
    """The id of the job that writes the lake; None where no streaming job ever did."""
    try:
        return msgspec.json.decode(store.read(OWNER), type=_Owner).job_id
    except ObjectMissing:
        return None


class Fence:
    """Of one shard. `token` is new for every writer that is built; `job_id` tells whose state it works with."""

    def __init__(self, store: ObjectStore, shard: str, token: str, job_id: str) -> None:
        self._store = store
        self._shard = shard
        self._token = token
        self._job_id = job_id
        self._noted = -1

    def take(self, seq: int) -> None:
        """From now on only this writer publishes. `seq`: the last epoch that its state holds, -1 for none.

        Raises StaleState when a later one was published already: it would be written twice.
        """
        try:
            published = msgspec.json.decode(self._store.read(published_key(self._shard)), type=_Published)
        except ObjectMissing:
            published = None
        if published is not None and published.job_id == self._job_id and published.seq > seq:
            raise StaleState(
                f"the recovery folder is older than {self._store.uri}: shard {self._shard} was published up to epoch "
                f"{published.seq}, the folder knows {seq}. It is a copy from before, and would write everything since "
                "then twice. Use the newest folder, or see 'Restore' in docs/operations.md"
            )
        self._store.put({fence_key(self._shard): self._token.encode()})

    def note(self, seq: int) -> None:
        """Epoch `seq` is about to become visible. Raises Fenced when another writer has taken over."""
        self.check()
        if seq != self._noted:
            self._store.put({published_key(self._shard): msgspec.json.encode(_Published(self._job_id, seq))})
            self._noted = seq

    def check(self) -> None:
        """Raises Fenced when another writer has taken over."""
        try:
            holder = self._store.read(fence_key(self._shard)).decode()
        except ObjectMissing:
            holder = "another job"
        if holder != self._token:
            raise Fenced(
                f"shard {self._shard} of {self._store.uri} was taken over by another process "
                f"({holder}; this one is {self._token}): this process stops and publishes nothing more"
            )
