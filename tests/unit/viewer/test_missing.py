"""Stretches of time that are missing from a recording, from the rows of its segments."""

from lake.notes import NoteKind
from schemas.items import NOT_NUMBERED
from viewer.missing import Hole, holes


def segment(index: int, start: int, end: int, view_id: str = "v", key: str = "k") -> dict[str, object]:
    return {"view_id": view_id, "index_in_view": index, "start": start, "end": end, "replay_key": key}


def test_numbers_that_follow_one_another_leave_no_hole() -> None:
    assert holes([segment(1, 10, 20), segment(0, 0, 10), segment(5, 50, 60, "other")], {}) == []


def test_numbers_that_are_left_out_are_a_hole_between_their_neighbours() -> None:
    rows = [segment(0, 0, 10), segment(3, 30, 40), segment(4, 40, 50), segment(6, 70, 80)]
    assert holes(rows, {}) == [
        Hole(10, 30, 2, NoteKind.MISSING_SEGMENTS, "v"),
        Hole(50, 70, 1, NoteKind.MISSING_SEGMENTS, "v"),
    ]


def test_a_hole_is_never_shorter_than_nothing() -> None:
    [hole] = holes([segment(0, 0, 35), segment(2, 30, 40)], {})
    assert (hole.from_ms, hole.to_ms) == (30, 35)


def test_segments_without_numbers_tell_of_no_hole() -> None:
    assert holes([segment(NOT_NUMBERED, 0, 10), segment(NOT_NUMBERED, 500, 510)], {}) == []


def test_the_same_segment_twice_is_no_hole() -> None:
    assert holes([segment(1, 0, 10), segment(1, 0, 10), segment(2, 10, 20)], {}) == []


def test_a_blob_that_cannot_be_read_is_a_hole_of_its_whole_time() -> None:
    rows = [segment(0, 0, 10, key="gone"), segment(0, 5, 25, "other", "gone"), segment(1, 30, 40)]
    assert holes(rows, {"gone": NoteKind.DAMAGED_BLOB}) == [
        Hole(0, 25, 2, NoteKind.DAMAGED_BLOB),
    ]
