"""What a person has ordered about data, on its way or in the lake: erasures and legal holds, kept under `_job/`.

The job reads notices at the beginning of every epoch. Sessions and users are named by digests, because a notice
outlives what it was about.
"""

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from schemas.pack import key_hash

_VERSION = 1


class NoticeKind(StrEnum):
    """What is to happen to the data."""

    ERASE = "erase"
    HOLD = "hold"
    SYNC = "sync"  # nothing: who has heard it has published everything from before


class UserField(StrEnum):
    """Columns that name a person."""

    ID = "userid"
    EMAIL = "user_email"


class Notice(msgspec.Struct, frozen=True):
    """One order. Apps and users mean what was received until `since_ms`, sessions also what is still to come.

    `sessions`: `key_hash` of app and session. `users`: digests; only in `apps`, if there are any.
    `until_ms`: wall clock after which the notice means nothing any more.
    """

    kind: NoticeKind
    since_ms: int
    until_ms: int
    sessions: list[int] = []
    apps: list[str] = []
    users: list[str] = []
    about: str = ""  # of a hold, for people
    version: int = _VERSION


class Notices:
    """All notices in force together."""

    def __init__(self, notices: Iterable[Notice] = ()) -> None:
        self._erased_sessions: set[int] = set()
        self._held_sessions: set[int] = set()
        self._held_apps: set[str] = set()
        self._erased_apps: dict[str, int] = {}
        self._erased_users: dict[tuple[str, str], int] = {}  # by app ("" for any) and digest
        for notice in notices:
            if notice.kind == NoticeKind.HOLD:
                self._held_sessions.update(notice.sessions)
                self._held_apps.update(notice.apps)
            else:
                self._add_erasure(notice)

    def _add_erasure(self, notice: Notice) -> None:
        self._erased_sessions.update(notice.sessions)
        for user in notice.users:
            for app_id in notice.apps or [""]:
                known_ms = self._erased_users.get((app_id, user), 0)
                self._erased_users[app_id, user] = max(notice.since_ms, known_ms)
        if not notice.users:
            for app_id in notice.apps:
                self._erased_apps[app_id] = max(notice.since_ms, self._erased_apps.get(app_id, 0))

    @property
    def erase_anything(self) -> bool:
        """Whether there is an erasure at all."""
        return bool(self._erased_sessions or self._erased_apps or self._erased_users)

    @property
    def erased_sessions(self) -> frozenset[int]:
        """`key_hash` of every session that is erased by name."""
        return frozenset(self._erased_sessions)

    @property
    def forgotten_sessions(self) -> frozenset[int]:
        """Those that no hold on the session keeps."""
        return frozenset(self._erased_sessions - self._held_sessions)

    def erases(self, app_id: str, session_id: str, received_ms: int) -> bool:
        """Whether an item received then, or a window whose first item was, is not to be kept. A hold is stronger."""
        is_named = bool(self._erased_sessions) and key_hash(app_id, session_id) in self._erased_sessions
        is_named = is_named or received_ms <= self._erased_apps.get(app_id, -1)
        return is_named and not self.holds(app_id, session_id)

    def erases_user(self, app_id: str, session_id: str, rows: Iterable[Mapping[str, object]], received_ms: int) -> bool:
        """Whether one of a window's rows names an erased person, and the window began before that was ordered.

        A hold is stronger here, too.
        """
        if not self._erased_users or self.holds(app_id, session_id):
            return False
        named = {user for row in rows for user in users_of(row)}
        return any(received_ms <= self._erased_users.get((scope, user), -1) for user in named for scope in ("", app_id))

    def is_erased(self, app_id: str, session_id: str) -> bool:
        """Whether an erasure names the session or its whole app."""
        return app_id in self._erased_apps or key_hash(app_id, session_id) in self._erased_sessions

    def holds(self, app_id: str, session_id: str) -> bool:
        """Whether a session is under legal hold."""
        if app_id in self._held_apps:
            return True
        return bool(self._held_sessions) and key_hash(app_id, session_id) in self._held_sessions


def users_of(row: Mapping[str, object]) -> list[str]:
    """Digests of the persons a row names."""
    return [user_digest(field, value) for field in UserField if isinstance(value := row.get(field), str) and value]


def user_digest(field: UserField, value: str) -> str:
    """A person without saying who it is. E-mail addresses are compared without regard to case."""
    return hashlib.sha256(f"{field}\0{value.casefold() if field == UserField.EMAIL else value}".encode()).hexdigest()


def encode_notice(notice: Notice) -> bytes:
    return msgspec.json.encode(notice)


def decode_notice(content: bytes) -> Notice:
    """Raises ValueError for a notice of a later version, or damage."""
    notice = msgspec.json.decode(content, type=Notice)
    if notice.version != _VERSION:
        raise ValueError(f"notice of version {notice.version}, this release reads version {_VERSION}")
    return notice
