"""The words of an erasure: what is asked for, what was changed, and the receipt that proves it."""

import hashlib
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from schemas.notices import UserField, user_digest

SessionKey = tuple[str, str]  # (app_id, session_id)


class Subject(msgspec.Struct, frozen=True):
    """What to erase: a session, everything of a person, or a whole app. Fields together narrow it down."""

    app_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    user_email: str | None = None

    @property
    def kind(self) -> str:
        return "session" if self.session_id else "user" if self.user_id or self.user_email else "app"

    @property
    def users(self) -> list[str]:
        """Digests of the person."""
        named = {UserField.ID: self.user_id, UserField.EMAIL: self.user_email}
        return [user_digest(field, value) for field, value in named.items() if value]

    @property
    def digest(self) -> str:
        """Names the subject without saying who it is."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    def meets(self, app_id: str, session_id: str, users: Iterable[str]) -> bool:
        """Whether a row or item with these ids belongs to it. `users`: digests of the persons it names."""
        if self.app_id is not None and app_id != self.app_id:
            return False
        if self.session_id is not None and session_id != self.session_id:
            return False
        return self.kind != "user" or not set(self.users).isdisjoint(users)


class What(StrEnum):
    """What happened to an object."""

    REWRITTEN = "rewritten"  # without the rows
    BLANKED = "blanked"  # a pack keeps its length and the place of everything else
    DELETED = "deleted"


class Change(msgspec.Struct):
    """One object of the receipt. `object`: its key; the name of a blob is a digest. `sha256`: of what is left."""

    object: str
    what: What
    rows: int
    bytes: int
    sha256: str = ""


class Failure(msgspec.Struct):
    """An object that could not be changed."""

    object: str
    reason: str


class Receipt(msgspec.Struct):
    """The proof of an erasure. It names no person: `subject` is `Subject.digest` of what was asked for.

    `sha256` is of the receipt's JSON with that field empty, so a copy kept elsewhere shows any later change.
    """

    subject: str
    kind: str
    lake: str
    requested_at: str
    finished_at: str
    late_data_refused_until: str
    sessions: int
    rows: dict[str, int]  # by table
    objects: int
    bytes: int
    changes: list[Change]
    failures: list[Failure]
    version: int = 1
    sha256: str = ""

    def seal(self) -> None:
        """Set its own digest."""
        self.sha256 = ""
        self.sha256 = hashlib.sha256(msgspec.json.encode(self)).hexdigest()
