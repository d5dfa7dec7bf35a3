"""Where the data of a subject is: whose sessions are meant, and what in each object of the lake belongs to them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

import msgspec
import xxhash

from operators.families.registry import line_row
from schemas.blob import parse_footer, parse_tail
from schemas.bundle import BundleFormatError, decode_bundle, encode_bundle
from schemas.erasure import Change, SessionKey, Subject, What
from schemas.items import Item, Kind
from schemas.keys import PACKS, REPLAYS, STAGING, TABLES, is_style, replay_owner, safe_segment
from schemas.notices import UserField, users_of
from schemas.pack import PackFormatError, decode_block, key_hash, read_index, without_sessions
from sinks.erase_texts import Speaks
from sinks.parallel import in_parallel
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore
from sinks.swap import table_objects
from sinks.table_files import columns_of, is_table_file, read_columns, take_rows

_IDS = ("app_id", "session_id")
_WANTED = (*_IDS, *UserField, "received_at", "received_start")
_QUARANTINED = (*_IDS, "raw", "detail")

Columns = Mapping[str, Sequence[Any]]
Progress = Callable[[str], None]


class Unreadable(Exception):
    """An object that is not what its place says; whether it holds something of the subject cannot be told."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


class Wanted:
    """What is searched for: the subject, its sessions, and whether what cannot be looked into goes, too."""

    def __init__(self, subject: Subject, keys: AbstractSet[SessionKey], *, with_unreadable: bool = False) -> None:
        self.subject = subject
        self.keys = keys
        self.with_unreadable = with_unreadable
        self.session_ids = {session_id for _, session_id in keys}
        if subject.session_id is not None:
            self.session_ids.add(subject.session_id)
        self.speaks = Speaks(subject, self.session_ids)


class _Sifted(msgspec.Struct):
    """The rows of a file: which stay, and how many of them nobody can look into."""

    keep: list[int]
    unread: int = 0
    reason: str = ""


class UnreadRows(Unreadable):
    """Rows of the quarantine that may be anybody's."""


class Edit(msgspec.Struct, frozen=True):
    """What is to be done to one object. `content` None: delete it. `finals`: what it will now not publish."""

    key: str
    content: bytes | None
    change: Change
    finals: list[str] = []


def find_sessions(store: ObjectStore, subject: Subject, since_ms: int, progress: Progress) -> set[SessionKey]:
    """The sessions in tables, packs and staging that belong to the subject.

    Of a person or app those of which something was received until `since_ms`.
    """
    if subject.app_id is not None and subject.session_id is not None:
        return {(subject.app_id, subject.session_id)}
    until_ms = since_ms if subject.kind != "session" else 1 << 62
    found: set[SessionKey] = set()
    for one, columns in in_parallel(partial(_columns, store, names=_WANTED), table_objects(store)):
        progress(one.key)
        if columns is not None and not isinstance(columns, Unreadable):  # `find_edits` says so
            found.update(_sessions_in(columns, subject, until_ms))
    for one, pack in in_parallel(partial(_content, store), store.list(PACKS)):
        progress(one.key)
        for item in _items(pack):
            key = item.app_id, item.session_id
            if key not in found and item.received_ms <= until_ms and subject.meets(*key, _users_of(item, subject)):
                found.add(key)
    for _, stored in in_parallel(partial(_content, store), store.list(STAGING)):
        for content in _files(stored):
            try:
                found.update(_sessions_in(columns_of(content, _WANTED), subject, until_ms))
            except (OSError, ValueError):
                continue  # `find_edits` says so
    return found


def find_edits(store: ObjectStore, wanted: Wanted, progress: Progress) -> Iterator[Edit | Unreadable]:
    """Everything that must be done so that nothing of these sessions is left; what points to bytes before the bytes.

    Styles stay: they are files of the site that other sessions need, too.
    """
    for one, columns in in_parallel(partial(_ids, store), table_objects(store)):
        progress(one.key)
        if isinstance(columns, Unreadable):
            yield columns
        elif columns is not None:
            yield from _without_rows(store, one, columns, wanted)
    blobs = {(safe_segment(app_id), safe_segment(session_id)) for app_id, session_id in wanted.keys}
    for one in store.list(REPLAYS):
        if not is_style(one.key) and replay_owner(one.key) in blobs:
            folder, _, name = one.key.rpartition("/")
            yield _deletion(one, f"{folder}/{xxhash.xxh3_128_hexdigest(name.encode())}")
    hashes = {key_hash(*key) for key in wanted.keys}
    for one, pack in in_parallel(partial(_content, store), store.list(PACKS)):
        progress(one.key)
        if pack is not None:
            yield from _blanked(one, pack, hashes, is_searched=wanted.subject.kind == "user")
    for one, content in in_parallel(partial(_content, store), store.list(STAGING)):
        if content is not None:
            yield from _staged(one, content, wanted)


def _sessions_in(columns: Columns, subject: Subject, until_ms: int) -> Iterator[SessionKey]:
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        app_id, session_id = row["app_id"], row["session_id"]
        received = row["received_start"] or row["received_at"]
        if app_id is None or session_id is None or received.timestamp() * 1000 > until_ms:
            continue
        if subject.meets(app_id, session_id, users_of(row)):
            yield app_id, session_id


def _files(stored: bytes | None) -> list[bytes]:
    """The table files of a staged bundle; none of what is no bundle."""
    try:
        return [content for content in decode_bundle(stored or b"").values() if is_table_file(content)]
    except BundleFormatError:
        return []  # `find_edits` says so


def _users_of(item: Item, subject: Subject) -> list[str]:
    if subject.kind != "user" or item.kind == Kind.SEGMENT:
        return []
    try:
        return users_of(dict(line_row(item.family, item.body).row))
    except ValueError:
        return []


def _items(pack: bytes | None) -> Iterator[Item]:
    """Every item of a pack; none of what is no pack."""
    if pack is None:
        return
    try:
        for _, offset, length in read_index(pack).spans():
            for entry in decode_block(pack[offset : offset + length]):
                yield entry.item
    except PackFormatError:
        return  # `find_edits` says so


def _without_rows(
    store: ObjectStore, found: ObjectInfo, columns: Columns, wanted: Wanted
) -> Iterator[Edit | Unreadable]:
    sifted = _sifted(columns, wanted)
    erased = len(columns["app_id"]) - len(sifted.keep)
    if erased and not sifted.keep:
        yield _deletion(found, found.key, erased)
    elif erased:
        content = take_rows(store.read(found.key), sifted.keep)
        change = Change(found.key, What.REWRITTEN, erased, max(0, found.size - len(content)), _sha256(content))
        yield Edit(found.key, content, change)
    if sifted.unread:
        yield _unread_rows(found.key, sifted)


def _unread_rows(key: str, sifted: _Sifted) -> Unreadable:
    return UnreadRows(
        f"{key}: {sifted.unread} rows", f"nobody knows whose, and they cannot be looked into: {sifted.reason}"
    )


def _sifted(columns: Columns, wanted: Wanted) -> _Sifted:
    """Rows of the subject go: by their ids, and of what could not be read by what it says."""
    found = _Sifted([])
    empty = [None] * len(columns["app_id"])
    rows = zip(
        columns["app_id"],
        columns["session_id"],
        columns.get("raw") or empty,
        columns.get("detail") or empty,
        strict=True,
    )
    for position, (app_id, session_id, raw, detail) in enumerate(rows):
        if (app_id, session_id) in wanted.keys or (app_id is None and session_id in wanted.session_ids):
            continue
        only_app = wanted.subject.app_id
        if raw is None or (only_app is not None and app_id not in {None, only_app}):
            found.keep.append(position)
            continue
        verdict = wanted.speaks.look(raw)
        if verdict.is_of_subject or (detail and wanted.speaks.look(detail.encode()).is_of_subject):
            continue
        if verdict.unread and session_id is None:
            if wanted.with_unreadable:
                continue
            found.unread += 1
            found.reason = verdict.unread
        found.keep.append(position)
    return found


def _blanked(found: ObjectInfo, pack: bytes, hashes: set[int], *, is_searched: bool) -> Iterator[Edit | Unreadable]:
    """`is_searched`: other blocks may be of the subject, too, so each must be readable."""
    try:
        content = without_sessions(pack, hashes)
        for key, offset, length in read_index(pack).spans() if is_searched else ():
            if key not in hashes:
                decode_block(pack[offset : offset + length])
    except PackFormatError as error:
        yield Unreadable(found.key, str(error))
        return
    if content != pack:
        erased = sum(length for key, _, length in read_index(pack).spans() if key in hashes)
        yield Edit(found.key, content, Change(found.key, What.BLANKED, 0, erased, _sha256(content)))


def _staged(found: ObjectInfo, stored: bytes, wanted: Wanted) -> Iterator[Edit | Unreadable]:
    """Of a staged bundle the rows and blobs of the subject go."""
    try:
        objects = decode_bundle(stored)
        sifted = {
            final: (columns, _sifted(columns, wanted))
            for final, content in objects.items()
            if not final.startswith(REPLAYS)
            for columns in [columns_of(content, _QUARANTINED)]
        }
        owners = {
            final: _owner_of_blob(content)
            for final, content in objects.items()
            if final.startswith(REPLAYS) and not is_style(final)
        }
    except (BundleFormatError, OSError, ValueError) as error:
        yield Unreadable(found.key, str(error))
        return
    kept: dict[str, bytes] = {}
    rows = 0
    for final, content in objects.items():
        if final in owners:
            if owners[final] not in wanted.keys:
                kept[final] = content
        elif final in sifted:
            columns, left = sifted[final]
            erased = len(columns["app_id"]) - len(left.keep)
            rows += erased
            if left.keep:
                kept[final] = take_rows(content, left.keep) if erased else content
            if left.unread:
                yield _unread_rows(f"{found.key}: {final}", left)
        else:
            kept[final] = content
    if kept != objects:
        content = encode_bundle(kept)
        change = Change(found.key, What.REWRITTEN, rows, max(0, found.size - len(content)), _sha256(content))
        yield Edit(found.key, content, change, sorted(objects.keys() - kept.keys()))


def _owner_of_blob(content: bytes) -> SessionKey:
    footer = parse_footer(content, len(content))
    index = parse_tail(content[-footer.tail_length :], len(content))
    return index.app_id, index.session_id


def _deletion(found: ObjectInfo, shown_as: str, rows: int = 0) -> Edit:
    return Edit(found.key, None, Change(shown_as, What.DELETED, rows, found.size))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _ids(store: ObjectStore, found: ObjectInfo) -> Columns | Unreadable | None:
    in_quarantine = found.key.startswith(f"{TABLES}quarantine/")
    return _columns(store, found, _QUARANTINED if in_quarantine else _IDS)


def _columns(store: ObjectStore, found: ObjectInfo, names: Sequence[str]) -> Columns | Unreadable | None:
    """None for what was deleted since it was listed."""
    try:
        return read_columns(store, found, names)
    except ObjectMissing:
        return None
    except (OSError, ValueError) as error:  # as Arrow says that it is no Parquet
        return Unreadable(found.key, str(error))


def _content(store: ObjectStore, found: ObjectInfo) -> bytes | None:
    """The same of a whole object."""
    try:
        return store.read(found.key)
    except ObjectMissing:
        return None
