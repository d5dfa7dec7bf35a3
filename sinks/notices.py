"""Notices between the commands that change a lake and the job that writes it, as small objects under `_job/`.

A command puts a notice and waits until every writer has heard it. A writer hears at the beginning of an epoch, when all
it has made before is published and its staged copies are gone, and says so beside its fence's token. From then on
nothing older can appear in the lake, and nothing that the notice forbids is written: the command may change objects.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from schemas.errors import TryAgain
from schemas.keys import FENCES, HEARD, NOTICES, REMOVED, heard_key
from schemas.notices import Notice, Notices, decode_notice, encode_notice
from schemas.units import MS_PER_DAY, MS_PER_SECOND
from sinks.stated_names import digest_of
from sinks.store import ObjectMissing, ObjectStore

_LOOK_SECONDS = 1.0
_POLL_SECONDS = 0.2
_REMOVED_LIVES_MS = 30 * MS_PER_DAY  # a job that starts after a longer stop has lost its packs anyway


class NotHeard(TryAgain):
    """A writer did not answer; nothing may be changed behind its back."""


class _Heard(msgspec.Struct):
    token: str
    names: list[str]


class NoticeBoard:
    """The notices of a lake as one process sees them, read again every few seconds at most. `now`: seconds."""

    def __init__(self, store: ObjectStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._looked_at = 0.0
        self._known: dict[str, Notice] = {}
        self._notices = Notices()

    @property
    def names(self) -> list[str]:
        """What is on the board, as of the last look."""
        return sorted(self._known)

    def look(self, *, at_once: bool = False) -> Notices:
        """The notices in force."""
        now = self._now()
        if at_once or now - self._looked_at > _LOOK_SECONDS:
            self._looked_at = now
            self._known = all_notices(self._store, self._known)
            in_force = [notice for notice in self._known.values() if notice.until_ms > now * MS_PER_SECOND]
            self._notices = Notices(in_force)
        return self._notices

    def say_heard(self, shard: str, token: str) -> None:
        """Tell the commands that this writer knows what is on the board."""
        self._store.put({heard_key(shard): msgspec.json.encode(_Heard(token, self.names))})


def all_notices(store: ObjectStore, known: Mapping[str, Notice] | None = None) -> dict[str, Notice]:
    """Every notice by name. A notice never changes, so those that are `known` are not read again."""
    found: dict[str, Notice] = {}
    for one in store.list(NOTICES):
        name = one.key.removeprefix(NOTICES)
        try:
            found[name] = (known or {}).get(name) or decode_notice(store.read(one.key))
        except ObjectMissing:
            continue  # taken back meanwhile
    return found


def put_notice(store: ObjectStore, name: str, notice: Notice) -> None:
    store.put({f"{NOTICES}{name}": encode_notice(notice)})


def take_back(store: ObjectStore, names: Iterable[str]) -> None:
    """Remove notices."""
    store.delete([f"{NOTICES}{name}" for name in names])


def await_heard(store: ObjectStore, name: str, seconds: float) -> None:
    """Wait until the writer of every shard knows a notice. A lake without a streaming job has none.

    Raises NotHeard when one does not answer in time.
    """
    waiting = Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(_POLL_SECONDS),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else [],
    )
    silent = waiting(_silent_writers, store, name)
    if silent:
        raise NotHeard(
            f"the writers of shards {', '.join(silent)} did not answer within {seconds:.0f} s, and nothing is "
            "changed behind their backs. If the job runs, look at its log; if not, start it or use --job-is-stopped"
        )


def _silent_writers(store: ObjectStore, name: str) -> list[str]:
    """Shards whose writer does not know a notice."""
    tokens = {one.key.removeprefix(FENCES): store.read(one.key).decode() for one in store.list(FENCES)}
    return [shard for shard, token in tokens.items() if not _has_heard(store, shard, token, name)]


def note_removed(store: ObjectStore, name: str, keys: Iterable[str]) -> None:
    """Say that these objects are about to go, so that a job that restarts right now does not miss them."""
    keys = list(keys)
    if keys:
        store.put({f"{REMOVED}{name}": msgspec.json.encode(sorted(map(digest_of, keys)))})


def removed_of(store: ObjectStore, names: Iterable[str]) -> set[str]:
    """Which of these, keys or stated names, a command has removed."""
    wanted = {digest_of(name): name for name in names}
    found: set[str] = set()
    for one in store.list(REMOVED) if wanted else ():
        found |= wanted.keys() & set(msgspec.json.decode(store.read(one.key), type=list[str]))
    return {wanted[digest] for digest in found}


def tidy(store: ObjectStore, now_ms: int) -> None:
    """Delete notices that mean nothing any more, and old lists of removed objects."""
    store.delete([one.key for one in store.list(REMOVED) if one.modified_ms < now_ms - _REMOVED_LIVES_MS])
    take_back(store, [name for name, notice in all_notices(store).items() if notice.until_ms <= now_ms])


def _has_heard(store: ObjectStore, shard: str, token: str, name: str) -> bool:
    try:
        heard = msgspec.json.decode(store.read(f"{HEARD}{shard}"), type=_Heard)
    except ObjectMissing:
        return False
    return heard.token == token and name in heard.names
