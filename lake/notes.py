"""What of a recording cannot be played, and why: told beside what can be."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from lake.catalog import Row
from operators.rrweb.canvas import is_canvas_change, is_picture
from operators.rrweb.conversion_notes import explained
from operators.rrweb.json_shape import Skip
from operators.rrweb.track import Track


class NoteKind(StrEnum):
    """Kinds of loss. What `count` counts, and what `detail` names."""

    MISSING_SEGMENTS = "missing_segments"  # segments that never came, by their numbers
    LOST_BLOB = "lost_blob"  # blobs that are gone; the key
    DAMAGED_BLOB = "damaged_blob"  # blobs, or frames of them, that cannot be read; the key, and what is wrong
    LOST_INDEX = "lost_index"  # segments whose rows are gone
    NO_FULL_SNAPSHOT = "no_full_snapshot"  # segments, all without the picture that playing begins with
    LEFT_OUT = "left_out"  # records, or parts of them, that could not be converted; why
    NO_SIZE = "no_size"  # recordings of a page whose size never came: a usual one is assumed
    CANVAS = "canvas"  # drawings on a canvas that are no pictures, which the page does not repeat


_TEXTS = {
    NoteKind.MISSING_SEGMENTS: "{count} segment{s} of the recording never arrived",
    NoteKind.LOST_BLOB: "the blob {detail} of the recording is gone",
    NoteKind.DAMAGED_BLOB: "the recording is damaged: {detail}",
    NoteKind.LOST_INDEX: "the rows in replay_segments of {count} segment{s} are gone",
    NoteKind.NO_FULL_SNAPSHOT: "no full snapshot arrived, so there is no page to draw on",
    NoteKind.CANVAS: "not shown: {count} drawing{s} on a canvas",
}


class Note(msgspec.Struct, frozen=True):
    """One loss. `track`: of which it is true; None: of the recording as a whole."""

    kind: NoteKind
    count: int
    detail: str = ""
    track: int | None = None

    @property
    def text(self) -> str:
        """A sentence for a person. `detail` may hold what a visitor has sent."""
        about = "" if self.track is None else f"track {self.track}: "
        if self.kind not in _TEXTS:
            return about + explained(self.detail, self.count)
        plural = "" if self.count == 1 else "s"
        return about + _TEXTS[self.kind].format(count=self.count, s=plural, detail=self.detail)

    def as_json(self) -> dict[str, object]:
        return {
            "kind": self.kind.value,
            "count": self.count,
            "detail": self.detail,
            "track": self.track,
            "text": self.text,
        }


def stored_notes(windows: Iterable[Row], segments: Iterable[Row]) -> list[Note]:
    """What the rows of a session tell. `windows`: its newest revisions; `segments`: its rows of replay_segments."""
    windows, segments = list(windows), list(segments)
    notes = []
    missing = _sum(windows, "replay_missing_segment_count")
    if missing:
        notes.append(Note(NoteKind.MISSING_SEGMENTS, missing))
    lost = _sum(windows, "replay_segment_count") - len(segments)
    if lost > 0:
        notes.append(Note(NoteKind.LOST_INDEX, lost))
    if segments and not any(row["has_full_snapshot"] for row in segments):
        notes.append(Note(NoteKind.NO_FULL_SNAPSHOT, len(segments)))
    return notes


def track_notes(track: Track) -> list[Note]:
    """What a conversion has lost."""
    drawn = sum(is_canvas_change(event) and not is_picture(event) for event in track.events)
    notes = [
        Note(NoteKind.NO_SIZE if reason == Skip.NO_SIZE else NoteKind.LEFT_OUT, count, reason, track.track_id)
        for reason, count in _sorted(track.skipped)
        if reason != Skip.MISSING_SEGMENT  # the rows of the session tell it, of all its tracks
    ]
    return [*notes, Note(NoteKind.CANVAS, drawn, track=track.track_id)] if drawn else notes


def _sorted(skipped: Mapping[str, int]) -> list[tuple[str, int]]:
    """What lacks its snapshot comes last: mostly it follows from something before."""
    return sorted(skipped.items(), key=lambda item: (item[0] == Skip.BEFORE_SNAPSHOT, -item[1], item[0]))


def _sum(rows: Iterable[Row], column: str) -> int:
    return sum(int(str(row[column] or 0)) for row in rows)
