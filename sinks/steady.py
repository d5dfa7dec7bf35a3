"""A store with patience and counts: waits out what is temporary, tells how many requests and bytes went through.

While it waits its caller waits too, so nothing is read, buffered or committed meanwhile: that is the back-pressure.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
import tenacity

from sinks.store import Lifecycle, ObjectInfo, ObjectMissing, ObjectStore, Part, StoreError, StoreUnavailable

_log = logging.getLogger(__name__)
_WAIT_FIRST_SECONDS = 0.2
_WAIT_MAX_SECONDS = 5.0

T = TypeVar("T")


class Patience(msgspec.Struct, frozen=True):
    """How long to try again. `hurry`: set when the process is to stop; from then on only `hurry_seconds` are left."""

    seconds: float
    hurry: threading.Event = msgspec.field(default_factory=threading.Event)
    hurry_seconds: float = 15.0  # a store that just came back should not cost a clean stop


class StoreCounts(msgspec.Struct):
    """What went through since the start. A call on many keys counts one request a key."""

    requests: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)  # (operation, outcome)
    bytes_out: int = 0
    bytes_in: int = 0
    retries: int = 0


class SteadyStore(ObjectStore):
    """Wraps a store. Every operation of a store may be repeated, so a failed one is. Thread-safe as the store is."""

    def __init__(self, store: ObjectStore, patience: Patience) -> None:
        self._store = store
        self._patience = patience
        self._hurried_at: float | None = None
        self.uri = store.uri
        self.counts = StoreCounts()

    def put(self, objects: Mapping[str, bytes]) -> None:
        self._call("put", len(objects), lambda: self._store.put(objects))
        self.counts.bytes_out += sum(map(len, objects.values()))

    def create(self, objects: Mapping[str, bytes]) -> set[str]:
        taken = self._call("put", len(objects), lambda: self._store.create(objects))
        self.counts.bytes_out += sum(map(len, objects.values()))
        return taken

    def read(self, key: str) -> bytes:
        content = self._call("get", 1, lambda: self._store.read(key))
        self.counts.bytes_in += len(content)
        return content

    def read_part(self, key: str, start: int, length: int) -> Part:
        part = self._call("get", 1, lambda: self._store.read_part(key, start, length))
        self.counts.bytes_in += len(part.content)
        return part

    def read_tail(self, key: str, length: int) -> Part:
        part = self._call("get", 1, lambda: self._store.read_tail(key, length))
        self.counts.bytes_in += len(part.content)
        return part

    def size(self, key: str) -> int:
        return self._call("head", 1, lambda: self._store.size(key))

    def copy(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        pairs = list(pairs)
        return self._call("copy", len(pairs), lambda: self._store.copy(pairs))

    def delete(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        self._call("delete", len(keys), lambda: self._store.delete(keys))

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        return iter(self._call("list", 1, lambda: [*self._store.list(prefix, after)]))

    def folders(self, prefix: str, *, with_old: bool = False) -> Sequence[str]:
        return self._call("list", 1, lambda: self._store.folders(prefix, with_old=with_old))

    def lifecycle(self) -> Lifecycle | None:
        return self._store.lifecycle()

    def purge_old_versions(self) -> dict[str, str]:
        return self._store.purge_old_versions()

    def _call(self, operation: str, requests: int, run: Callable[[], T]) -> T:
        try:
            return self._counted(operation, requests, run)
        except StoreUnavailable as error:  # only now, because all that follows takes longer than to read a block does
            return self._again(error, lambda: self._counted(operation, requests, run))

    def _again(self, failed: StoreUnavailable, run: Callable[[], T]) -> T:
        failures = [failed]

        def attempt() -> T:
            if failures:
                raise failures.pop()
            return run()

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StoreUnavailable),
            wait=tenacity.wait_exponential_jitter(multiplier=_WAIT_FIRST_SECONDS, max=_WAIT_MAX_SECONDS),
            stop=self._has_ended,
            before_sleep=self._note_retry,
            reraise=True,
        )
        return attempts(attempt)

    def _has_ended(self, state: tenacity.RetryCallState) -> bool:
        now = state.outcome_timestamp or state.start_time
        if self._patience.hurry.is_set():
            self._hurried_at = self._hurried_at or now
            return now - self._hurried_at >= self._patience.hurry_seconds
        return now - state.start_time >= self._patience.seconds

    def _counted(self, operation: str, requests: int, run: Callable[[], T]) -> T:
        try:
            result = run()
        except ObjectMissing:
            self._count(operation, "missing", requests)
            raise
        except StoreError:
            self._count(operation, "failed", requests)
            raise
        self._count(operation, "ok", requests)
        return result

    def _count(self, operation: str, outcome: str, requests: int) -> None:
        key = operation, outcome
        self.counts.requests[key] = self.counts.requests.get(key, 0) + requests

    def _note_retry(self, state: tenacity.RetryCallState) -> None:
        self.counts.retries += 1
        wait = state.next_action.sleep if state.next_action else 0.0
        error = state.outcome.exception() if state.outcome else None
        _log.warning("store unavailable, try %d again in %.1f s: %s", state.attempt_number, wait, error)
