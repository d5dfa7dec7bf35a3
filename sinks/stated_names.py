"""Names of what an epoch publishes, as the state of a shard has them: a replay's without the id of its session.

The state goes into the engine's files, where what is deleted stays readable for long and no erasure gets at it while
the job runs. Other names have no ids of persons or sessions.

    replays/retention=14d/dt=2026-11-29/app_id=shop/#<SHA-256 of the whole key, hexadecimal>
"""

import hashlib
from collections.abc import Iterable, Iterator

from schemas.keys import REPLAYS, is_style
from sinks.store import ObjectStore

_MARK = "/#"  # no key has it: ids are quoted


def stated_name(key: str) -> str:
    """The name of an object as the state has it."""
    if not key.startswith(REPLAYS) or is_style(key):
        return key
    return f"{key.rpartition('/')[0]}{_MARK}{_sha256(key)}"


def digest_of(name: str) -> str:
    """SHA-256 of the key that a stated name, or the key itself, means."""
    _, mark, digest = name.partition(_MARK)
    return digest if mark else _sha256(name)


def not_there(store: ObjectStore, names: Iterable[str]) -> Iterator[str]:
    """Which of these are not in the store."""
    for name in names:
        folder, mark, digest = name.partition(_MARK)
        if not mark:
            is_there = store.exists(name)
        else:
            is_there = any(_sha256(one.key) == digest for one in store.list(f"{folder}/"))
        if not is_there:
            yield name


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
