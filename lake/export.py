"""A session's replay taken out of the lake: as rrweb events, or as the source segments untouched."""

from collections.abc import Callable, Iterable, Iterator

from lake.blob_reader import BlobReader
from lake.catalog import Row, open_blob, session_rows
from lake.notes import Note, NoteKind
from lake.styles import StyleShelf
from operators.families.family import Family
from operators.families.registry import family_named
from operators.rrweb.track import ConversionError, Track
from operators.tracks import tabs_of, to_rrweb
from schemas.blob import BlobFormatError, BlobIndex
from schemas.errors import ReplayLakeError
from sinks.store import ObjectMissing, ObjectStore

TellNote = Callable[[Note], None]
"""Is told of what is lost, which is left out then. Where there is none, a loss raises."""


class NoReplay(ReplayLakeError):
    """There is nothing to play; the message says why."""


def blob_keys(segment_rows: list[Row]) -> list[str]:
    """The blobs of a session, window by window, the main one before supplementary ones."""
    places = {
        (int(str(row["session_part"])), int(str(row["revision"])), str(row["replay_key"])) for row in segment_rows
    }
    return [key for _, _, key in sorted(places)]


def readable_blobs(store: ObjectStore, keys: Iterable[str], tell: TellNote | None = None) -> Iterator[BlobReader]:
    """The blobs in their order, each with its index read. Raises ObjectMissing, BlobFormatError unless `tell`."""
    shelf = StyleShelf(store)
    for key in keys:
        try:
            blob = open_blob(store, key, shelf)
            _ = blob.index
        except (ObjectMissing, BlobFormatError) as error:
            if tell is None:
                raise
            tell(loss(key, error))
        else:
            yield blob


def family_of(blob: BlobReader) -> Family:
    """Whose SDK has recorded it. Raises ConversionError for one that this release does not know."""
    name = blob.index.family
    family = family_named(name)
    if family is None:
        raise ConversionError(f"recorded by {name!r}, which this release does not know")
    return family


def loss(key: str, error: ObjectMissing | BlobFormatError) -> Note:
    """A blob, or part of one, that cannot be read."""
    if isinstance(error, ObjectMissing):
        return Note(NoteKind.LOST_BLOB, 1, key)
    return Note(NoteKind.DAMAGED_BLOB, 1, f"{key}: {error}")


def native_segments(store: ObjectStore, keys: Iterable[str], tell: TellNote | None = None) -> Iterator[bytes]:
    """Source segments byte for byte, without line ends, in the order of the blobs."""
    for blob in readable_blobs(store, keys, tell):
        for _, lines in _frames(blob, tell):
            yield from lines


def rrweb_tracks(store: ObjectStore, keys: list[str], tell: TellNote | None = None) -> list[Track]:
    """The session as rrweb events; tabs that were open together are tracks of their own. Raises NoReplay.

    A track has no events where nothing of it can be played, and there is no track where nothing can be read.
    """
    if not keys:
        raise NoReplay("no replay segments")
    blobs = list(readable_blobs(store, keys, tell))
    segments = [segment for blob in blobs for segment in _playable_segments(blob, tell)]
    if not segments:
        return []
    try:
        family = family_of(blobs[0])
        return to_rrweb(family, segments, _tabs(store, blobs[0].index) if family.names_tabs else {})
    except ConversionError as error:
        raise NoReplay(f"its replay cannot be converted: {error}") from error


def _playable_segments(blob: BlobReader, tell: TellNote | None) -> Iterator[bytes]:
    """Its segments, but for those that go on with a frame that cannot be read: to them belongs another picture."""
    following = 0
    for number, lines in _frames(blob, tell):
        frame = blob.frames[number]
        begin = 0
        if number != following and frame.is_continued:
            begin = min((snapshot.line for snapshot in frame.snapshots), default=len(lines))
            if tell is not None:
                detail = f"frame {number}, {begin} segments: they go on with a frame that is damaged"
                tell(Note(NoteKind.DAMAGED_BLOB, 1, detail))
        if begin < len(lines):
            following = number + 1
        yield from lines[begin:]


def _frames(blob: BlobReader, tell: TellNote | None) -> Iterator[tuple[int, tuple[bytes, ...]]]:
    """Number and segments of each frame; one that is damaged costs itself."""
    for number, frame in enumerate(blob.frames):
        try:
            lines = blob.frame_segments(number)
        except (ObjectMissing, BlobFormatError) as error:
            if tell is None:
                raise
            where = f"frame {number}, {frame.segments} segments: "
            tell(Note(NoteKind.DAMAGED_BLOB, 1, f"{where}{error}"))
        else:
            yield number, lines


def _tabs(store: ObjectStore, index: BlobIndex) -> dict[str, str]:
    return tabs_of(session_rows(store, "views", index.app_id, index.session_id))
