"""Where the data of a subject is: whose sessions are meant, and what in each object of the lake belongs to them."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import xxhash

from operators.inflate import inflate
from operators.rows import line_row
from operators.unusable import Unusable
from schemas.blob import parse_footer, parse_tail
from schemas.bundle import BundleFormatError, decode_bundle, encode_bundle
from schemas.erasure import Change, SessionKey, Subject, What
from schemas.items import Family, Item, Kind
from schemas.keys import PACKS, REPLAYS, STAGING, TABLES, is_style, replay_owner, safe_segment
from schemas.notices import UserField, users_of
from schemas.pack import PackFormatError, decode_block, key_hash, read_index, without_sessions
from schemas.units import MIB
from sinks.parallel import in_parallel
from sinks.parquet_keys import columns_of, is_parquet, read_columns, take_rows
from sinks.store import ObjectInfo, ObjectMissing, ObjectStore

_IDS = ("app_id", "session_id")
_WANTED = (*_IDS, *UserField, "received_at", "received_start")
_RAW_MAX = 64 * MIB
_WORD = re.compile(rb"[\w.@+:%-]{1,256}")

Columns = Mapping[str, Sequence[Any]]
Progress = Callable[[str], None]


class Unreadable(Exception):
    """An object that is not what its place says; whether it holds something of the subject cannot be told."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


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
    for one, columns in in_parallel(partial(_columns, store, names=_WANTED), store.list(TABLES)):
        progress(one.key)
        found.update(_sessions_in(columns or {}, subject, until_ms))
    for one, pack in in_parallel(partial(_content, store), store.list(PACKS)):
        progress(one.key)
        for item in _items(pack):
            key = item.app_id, item.session_id
            if key not in found and item.received_ms <= until_ms and subject.meets(*key, _users_of(item, subject)):
                found.add(key)
    for _, stored in in_parallel(partial(_content, store), store.list(STAGING)):
        for content in _files(stored):
            found.update(_sessions_in(columns_of(content, _WANTED), subject, until_ms))
    return found


def find_edits(
    store: ObjectStore, subject: Subject, keys: set[SessionKey], progress: Progress
) -> Iterator[Edit | Unreadable]:
    """Everything that must be done so that nothing of these sessions is left; what points to bytes before the bytes.

    Styles stay: they are files of the site that other sessions need, too.
    """
    for one, columns in in_parallel(partial(_ids, store), store.list(TABLES)):
        progress(one.key)
        if columns is not None:
            yield from _without_rows(store, one, columns, subject, keys)
    blobs = {(safe_segment(app_id), safe_segment(session_id)) for app_id, session_id in keys}
    for one in store.list(REPLAYS):
        if not is_style(one.key) and replay_owner(one.key) in blobs:
            folder, _, name = one.key.rpartition("/")
            yield _deletion(one, f"{folder}/{xxhash.xxh3_128_hexdigest(name.encode())}")
    hashes = {key_hash(*key) for key in keys}
    for one, pack in in_parallel(partial(_content, store), store.list(PACKS)):
        progress(one.key)
        if pack is not None:
            yield from _blanked(one, pack, hashes)
    for one, content in in_parallel(partial(_content, store), store.list(STAGING)):
        if content is not None:
            yield from _staged(one, content, subject, keys)


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
    """The Parquet files of a staged bundle; none of what is no bundle."""
    try:
        return [content for content in decode_bundle(stored or b"").values() if is_parquet(content)]
    except BundleFormatError:
        return []  # `find_edits` says so


def _users_of(item: Item, subject: Subject) -> list[str]:
    if subject.kind != "user" or item.kind == Kind.SEGMENT:
        return []
    try:
        return users_of(dict(line_row(Family(item.family), item.body).row))
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
    store: ObjectStore, found: ObjectInfo, columns: Columns, subject: Subject, keys: set[SessionKey]
) -> Iterator[Edit]:
    keep = _positions_left(columns, subject, keys)
    erased = len(columns["app_id"]) - len(keep)
    if erased and not keep:
        yield _deletion(found, found.key, erased)
    elif erased:
        content = take_rows(store.read(found.key), keep)
        change = Change(found.key, What.REWRITTEN, erased, max(0, found.size - len(content)), _sha256(content))
        yield Edit(found.key, content, change)


def _rows_left(content: bytes, columns: Columns, subject: Subject, keys: set[SessionKey]) -> tuple[bytes | None, int]:
    """A file without the rows of the subject (None when nothing is left), and how many they were."""
    keep = _positions_left(columns, subject, keys)
    erased = len(columns["app_id"]) - len(keep)
    return (take_rows(content, keep) if erased else content) if keep else None, erased


def _positions_left(columns: Columns, subject: Subject, keys: set[SessionKey]) -> list[int]:
    ids = list(zip(columns["app_id"], columns["session_id"], strict=True))
    raws = columns.get("raw") or [None] * len(ids)
    speaks = _Speaks(subject, keys)
    return [
        position
        for position, key in enumerate(ids)
        if key not in keys and not (raws[position] is not None and speaks.of_subject(raws[position]))
    ]


def _blanked(found: ObjectInfo, pack: bytes, hashes: set[int]) -> Iterator[Edit | Unreadable]:
    try:
        content = without_sessions(pack, hashes)
    except PackFormatError as error:
        yield Unreadable(found.key, str(error))
        return
    if content != pack:
        erased = sum(length for key, _, length in read_index(pack).spans() if key in hashes)
        yield Edit(found.key, content, Change(found.key, What.BLANKED, 0, erased, _sha256(content)))


def _staged(found: ObjectInfo, stored: bytes, subject: Subject, keys: set[SessionKey]) -> Iterator[Edit | Unreadable]:
    """Of a staged bundle the rows and blobs of the subject go."""
    try:
        objects = decode_bundle(stored)
    except BundleFormatError as error:
        yield Unreadable(found.key, str(error))
        return
    kept: dict[str, bytes] = {}
    rows = 0
    for final, content in objects.items():
        if final.startswith(REPLAYS):
            if is_style(final) or _owner_of_blob(content) not in keys:
                kept[final] = content
            continue
        left, erased = _rows_left(content, columns_of(content, (*_IDS, "raw")), subject, keys)
        rows += erased
        if left is not None:
            kept[final] = left
    if kept != objects:
        content = encode_bundle(kept)
        change = Change(found.key, What.REWRITTEN, rows, max(0, found.size - len(content)), _sha256(content))
        yield Edit(found.key, content, change, sorted(objects.keys() - kept.keys()))


def _owner_of_blob(content: bytes) -> SessionKey:
    footer = parse_footer(content, len(content))
    index = parse_tail(content[-footer.tail_length :], len(content))
    return index.app_id, index.session_id


class _Speaks:
    """Whether input that nobody could read speaks of the subject: has a session's id, or a person's as a value."""

    def __init__(self, subject: Subject, keys: Iterable[SessionKey]) -> None:
        self._sessions = {session_id.encode() for _, session_id in keys}
        named = [value for value in (subject.user_id, subject.user_email) if value]
        if subject.kind == "app" and subject.app_id is not None:
            named.append(subject.app_id)
        any_name = b"|".join(re.escape(value.encode()) for value in named)
        self._names = re.compile(rb"[\"'=](?:" + any_name + rb")[\"',\s&]", re.IGNORECASE) if named else None

    def of_subject(self, raw: bytes) -> bool:
        texts = [raw]
        with contextlib.suppress(Unusable):  # damaged: what is readable of it is looked at
            texts.append(inflate(raw, _RAW_MAX))
        return any(
            not self._sessions.isdisjoint(_WORD.findall(text)) or (self._names and self._names.search(text))
            for text in texts
        )


def _deletion(found: ObjectInfo, shown_as: str, rows: int = 0) -> Edit:
    return Edit(found.key, None, Change(shown_as, What.DELETED, rows, found.size))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _ids(store: ObjectStore, found: ObjectInfo) -> Columns | None:
    in_quarantine = found.key.startswith(f"{TABLES}quarantine/")
    return _columns(store, found, (*_IDS, "raw") if in_quarantine else _IDS)


def _columns(store: ObjectStore, found: ObjectInfo, names: Sequence[str]) -> Columns | None:
    """None for what was deleted since it was listed."""
    try:
        return read_columns(store, found, names)
    except ObjectMissing:
        return None


def _content(store: ObjectStore, found: ObjectInfo) -> bytes | None:
    """The same of a whole object."""
    try:
        return store.read(found.key)
    except ObjectMissing:
        return None
