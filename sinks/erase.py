"""Erasing a session, a person or an app from every object of a lake, beside a running job, with a receipt.

In this order, so that nothing comes back: a notice stops the job from writing more; once every writer has heard it, all
objects are searched and changed in place; what is late meets the notice for 30 days. A run that was cut off is simply
started again: it goes on with the same notice and the sessions it had found.
"""

import hashlib
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from itertools import groupby

import msgspec

from schemas.erasure import Change, Failure, Receipt, SessionKey, Subject
from schemas.errors import Declined
from schemas.keys import FIRST_REVISIONS, RECEIPTS, TABLE_ENDING, TABLES
from schemas.notices import Notice, NoticeKind, Notices
from schemas.pack import key_hash
from schemas.units import MIB, MS_PER_DAY
from sinks.erase_find import Edit, Progress, Unreadable, UnreadRows, Wanted, find_edits, find_sessions
from sinks.notices import all_notices, await_heard, note_removed, put_notice, take_back, tidy
from sinks.retired import registration
from sinks.store import ObjectStore, StoreError
from sinks.swap import replace_files

TOMBSTONE_DAYS = 30  # longer than SDKs, queues and retries keep what is late
_BATCH_BYTES = 64 * MIB
_BATCH_EDITS = 200
_PASSES = 4  # the last finds nothing; more than one does when a job published what it had before it heard


class ErasureRefused(Declined):
    """The erasure must not be done, or not like this; nothing was changed."""


class Eraser:
    """One erasure. `now_ms`: the wall clock; `instant`: a time as text; `wait_seconds` None: no job runs.

    `beside`: what else the erasure of these sessions has to do, beside the store; yields what it could not.
    `leave_tables`: takes what was replaced out of every Iceberg snapshot, and deletes it; yields what it could not.
    `with_unreadable`: what nobody can look into goes, too. `is_expected` False: a subject of which nothing is here is
    no mistake, and what comes of it is refused.
    """

    def __init__(  # noqa: PLR0913 - what a run depends on
        self,
        store: ObjectStore,
        subject: Subject,
        now_ms: Callable[[], int],
        instant: Callable[[int], str],
        wait_seconds: float | None,
        progress: Progress = lambda _: None,
        beside: Callable[[AbstractSet[SessionKey]], Iterable[Failure]] = lambda _: (),
        leave_tables: Callable[[], Iterable[Failure]] = lambda: (),
        *,
        with_unreadable: bool = False,
        is_expected: bool = True,
    ) -> None:
        self._store = store
        self._subject = subject
        self._now_ms = now_ms
        self._instant = instant
        self._wait_seconds = wait_seconds
        self._progress = progress
        self._beside = beside
        self._leave_tables = leave_tables
        self._with_unreadable = with_unreadable
        self._is_expected = is_expected
        self._is_known = False  # it was erased before, so that nothing of it is there is no surprise
        self._keys: set[SessionKey] = set()
        self._changes: dict[str, Change] = {}
        self._batches = 0  # so many are noted, those of runs that were cut off included
        self._failures: dict[str, Failure] = {}
        self._unread: set[str] = set()  # of these, what only could not be looked into

    def dry_run(self) -> Receipt:
        """What an erasure would change, as of now."""
        begun_ms = self._now_ms()
        self._names_known()
        self._search(begun_ms)
        for found in find_edits(self._store, self._wanted(), self._progress):
            self._note(found)
        self._refuse_nothing()
        return self._receipt(begun_ms)

    def run(self) -> Receipt:
        """Erase. With failures in the receipt it is not complete: run it again.

        Raises ErasureRefused for what is under legal hold, or when there is nothing of the subject: then nothing is
        refused later either. Raises NotHeard when a running job does not answer.
        """
        name, since_ms = self._begin()
        self._search(since_ms)
        self._save_sessions(name)
        if self._subject.kind != "session":  # stop what is still to be added to what is searched for
            self._tell(f"{name}-first", since_ms)
            self._search(since_ms)
            self._save_sessions(name)
        self._tell(f"{name}-sessions", since_ms)
        for _ in range(_PASSES):
            if not self._clean(name):
                break
        else:
            self._failures["*"] = Failure("*", f"still found something after {_PASSES} passes")
        try:
            self._refuse_nothing()
        except ErasureRefused:
            take_back(self._store, [f"{name}-first", f"{name}-sessions"])
            self._store.delete([one.key for one in self._store.list(f"{RECEIPTS}{name}/")])
            raise
        self._failures.update({failure.object: failure for failure in self._leave_tables()})
        self._purge()
        self._await_journals(name, since_ms)
        self._failures.update({failure.object: failure for failure in self._beside(self._keys)})
        receipt = self._receipt(since_ms)
        self._store.put({f"{RECEIPTS}{name}.json": msgspec.json.format(msgspec.json.encode(receipt))})
        if self._failures.keys() <= self._unread:  # nothing that another run could do better
            self._store.delete([one.key for one in self._store.list(f"{RECEIPTS}{name}/")])
        tidy(self._store, self._now_ms())
        return receipt

    def _wanted(self) -> Wanted:
        return Wanted(self._subject, self._keys, with_unreadable=self._with_unreadable)

    def _refuse_nothing(self) -> None:
        """A wrong name is a mistake, not an erasure."""
        if self._is_expected and not self._is_known and not self._changes and not self._failures:
            subject = self._subject
            named = {
                "session": subject.session_id,
                "user id": subject.user_id,
                "e-mail": subject.user_email,
                "app": subject.app_id,
            }
            what = ", ".join(f"{name} {value!r}" for name, value in named.items() if value)
            raise ErasureRefused(
                f"nothing of {what} in {self._store.uri}; with --not-yet-here what comes of it is refused"
            )

    def _await_journals(self, name: str, since_ms: int) -> None:
        """A job that hears of an erasure begins its journals of sessions anew, and deletes the old ones an epoch later:
        before it hears of this.
        """
        if self._wait_seconds is None:
            return
        put_notice(self._store, f"{name}-end", Notice(NoticeKind.SYNC, since_ms, since_ms + MS_PER_DAY))
        try:
            await_heard(self._store, f"{name}-end", self._wait_seconds)
        finally:
            take_back(self._store, [f"{name}-end"])

    def _purge(self) -> None:
        try:
            locked = self._store.purge_old_versions()
            self._failures.update({key: Failure(key, reason) for key, reason in locked.items()})
        except StoreError as error:
            self._failures["old versions"] = Failure("old versions", str(error))

    def _begin(self) -> tuple[str, int]:
        """Name and time of the erasure: those of an unfinished one of the same subject, if there is one."""
        unfinished = next((parts[0] for parts in self._names_known() if len(parts) > 1), None)
        if unfinished is None:
            now_ms = self._now_ms()
            return f"{self._subject.digest[:24]}-{now_ms}", now_ms
        for one in self._store.list(f"{RECEIPTS}{unfinished}/"):
            saved = self._store.read(one.key)
            if one.key.endswith("/sessions"):
                self._keys.update(msgspec.json.decode(saved, type=list[SessionKey]))
            else:
                self._batches += 1
                for change in msgspec.json.decode(saved, type=list[Change]):
                    self._count(change)
        return unfinished, int(unfinished.rpartition("-")[2])

    def _names_known(self) -> list[list[str]]:
        """Objects of earlier erasures of the subject, as parts of their names."""
        begin = f"{RECEIPTS}{self._subject.digest[:24]}-"
        names = [one.key.removeprefix(RECEIPTS).split("/") for one in self._store.list(begin)]
        self._is_known = bool(names)
        return names

    def _search(self, since_ms: int) -> None:
        self._keys |= find_sessions(self._store, self._subject, since_ms, self._progress)
        self._refuse_held()

    def _refuse_held(self) -> None:
        notices = Notices(all_notices(self._store).values())
        held = sorted(session_id for app_id, session_id in self._keys if notices.holds(app_id, session_id))
        if held:
            raise ErasureRefused(
                f"under legal hold: {', '.join(held[:3])}{' and others' if held[3:] else ''}. Nothing was erased; "
                "`replaylake retention holds` shows the holds, `replaylake retention release` ends one"
            )

    def _save_sessions(self, name: str) -> None:
        self._store.put({f"{RECEIPTS}{name}/sessions": msgspec.json.encode(sorted(self._keys))})

    def _tell(self, notice_name: str, since_ms: int) -> None:
        """Put a notice about the subject and the sessions found so far; wait until every writer knows it."""
        subject = self._subject
        notice = Notice(
            NoticeKind.ERASE,
            since_ms,
            since_ms + TOMBSTONE_DAYS * MS_PER_DAY,
            sessions=sorted(key_hash(*key) for key in self._keys),
            apps=[subject.app_id] if subject.app_id and subject.kind != "session" else [],
            users=subject.users,
        )
        put_notice(self._store, notice_name, notice)
        if self._wait_seconds is not None:
            self._progress("waiting until the job has heard of it")
            await_heard(self._store, notice_name, self._wait_seconds)

    def _clean(self, name: str) -> int:
        """Change every object that holds something of the subject; returns how many were changed."""
        done = 0
        batch: list[Edit] = []
        self._failures.clear()
        for found in find_edits(self._store, self._wanted(), self._progress):
            if isinstance(found, Unreadable):
                self._note(found)
                continue
            batch.append(found)
            if len(batch) >= _BATCH_EDITS or sum(len(one.content or b"") for one in batch) > _BATCH_BYTES:
                done += self._apply(batch, name)
                batch = []
        return done + self._apply(batch, name)

    def _apply(self, batch: list[Edit], name: str) -> int:
        """Do it. Noted first: a run after a crash knows what was done, a job that restarts what it need not miss.

        A note never replaces one of a run that was cut off.
        """
        if not batch:
            return 0
        for edit in batch:
            self._note(edit)
        batch_name = f"{self._batches:06d}"
        self._batches += 1
        self._store.put({f"{RECEIPTS}{name}/{batch_name}": msgspec.json.encode([edit.change for edit in batch])})
        gone = [edit.key for edit in batch if edit.content is None]
        gone += [final for edit in batch for final in edit.finals]
        note_removed(self._store, f"{name}-{batch_name}", gone)
        done, edits = 0, batch
        if registration(self._store) is not None:
            edits = [edit for edit in batch if not edit.key.startswith(TABLES)]
            done += self._replace([edit for edit in batch if edit.key.startswith(TABLES)])
        for edit in edits:
            self._progress(edit.key)
            try:
                if edit.content is None:
                    self._store.delete([edit.key])
                else:
                    self._store.put({edit.key: edit.content})
                done += 1
            except StoreError as error:
                self._failures[edit.key] = Failure(edit.change.object, str(error))
        return done

    def _replace(self, edits: Iterable[Edit]) -> int:
        """In a lake with Iceberg tables: files under new names, because an older snapshot needs the old ones.

        `leave_tables` ends that.
        """
        done = 0
        for table, found in groupby(edits, lambda edit: edit.key.split("/")[1]):
            of_table = list(found)
            outputs = {_renamed(edit.key, edit.content): edit.content for edit in of_table if edit.content is not None}
            try:
                replace_files(self._store, table, [edit.key for edit in of_table], outputs)
                done += len(of_table)
            except StoreError as error:
                self._failures.update({edit.key: Failure(edit.change.object, str(error)) for edit in of_table})
        return done

    def _note(self, found: Edit | Unreadable) -> None:
        if isinstance(found, UnreadRows):
            self._unread.add(found.key)
        if isinstance(found, Unreadable):
            self._failures[found.key] = Failure(found.key, found.reason)
            return
        self._count(found.change)

    def _count(self, change: Change) -> None:
        before = self._changes.get(change.object)
        if before is not None:  # found again, because it had failed or was written anew
            change = msgspec.structs.replace(
                change, rows=max(change.rows, before.rows), bytes=max(change.bytes, before.bytes)
            )
        self._changes[change.object] = change

    def _receipt(self, since_ms: int) -> Receipt:
        failed = {failure.object for failure in self._failures.values()}
        changes = [change for key, change in sorted(self._changes.items()) if key not in failed]
        rows: dict[str, int] = {}
        for change in changes:
            if change.object.startswith(TABLES):
                table = change.object.split("/")[1]
                rows[table] = rows.get(table, 0) + change.rows
        receipt = Receipt(
            subject=self._subject.digest,
            kind=self._subject.kind,
            lake=self._store.uri,
            requested_at=self._instant(since_ms),
            finished_at=self._instant(self._now_ms()),
            late_data_refused_until=self._instant(since_ms + TOMBSTONE_DAYS * MS_PER_DAY),
            sessions=len(self._keys),
            rows=rows,
            objects=len(changes),
            bytes=sum(change.bytes for change in changes),
            changes=changes,
            failures=[failure for _, failure in sorted(self._failures.items())],
        )
        receipt.seal()
        return receipt


def _renamed(key: str, content: bytes) -> str:
    """The key of what is left of a file: made of its bytes, so that a second run gives the same."""
    stem = key.removesuffix(TABLE_ENDING)
    mark = FIRST_REVISIONS if stem.endswith(FIRST_REVISIONS) else ""
    digest = hashlib.sha256(content).hexdigest()[:12]
    return f"{stem.removesuffix(FIRST_REVISIONS)}-{digest}{mark}{TABLE_ENDING}"
