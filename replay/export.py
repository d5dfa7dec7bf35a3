"""A session's replay taken out of the lake: as rrweb events, or as the source segments untouched."""

from collections.abc import Iterator

from replay.catalog import Row, open_blob, session_rows
from replay.rrweb import tabs_of, to_rrweb
from replay.styles import StyleShelf
from replay.track import Track
from schemas.blob import BlobIndex
from schemas.items import Family
from sinks.store import ObjectStore


class NoReplay(Exception):
    """The session has no replay in the lake."""


def blob_keys(segment_rows: list[Row]) -> list[str]:
    """The blobs of a session, window by window, the main one before supplementary ones."""
    places = {
        (int(str(row["session_part"])), int(str(row["revision"])), str(row["replay_key"])) for row in segment_rows
    }
    return [key for _, _, key in sorted(places)]


def native_segments(store: ObjectStore, keys: list[str]) -> Iterator[bytes]:
    """Source segments byte for byte, without line ends, in the order of the blobs."""
    shelf = StyleShelf(store)
    for key in keys:
        yield from open_blob(store, key, shelf).segments()


def rrweb_tracks(store: ObjectStore, keys: list[str]) -> list[Track]:
    """The session as rrweb events; tabs that were open together are tracks of their own. Raises NoReplay."""
    if not keys:
        raise NoReplay("no replay segments")
    index = open_blob(store, keys[0]).index
    family = Family[index.family.upper()]
    tabs = _tabs(store, index) if family is Family.DATADOG else {}
    return to_rrweb(family, list(native_segments(store, keys)), tabs)


def _tabs(store: ObjectStore, index: BlobIndex) -> dict[str, str]:
    rows = session_rows(store, "views", index.session_id)
    return tabs_of(row for row in rows if row["app_id"] == index.app_id)
