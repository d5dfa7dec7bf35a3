"""Replay blobs of real recordings: nothing is lost, and they are as small as decision 0003 says."""

import base64
import gzip
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lake.blob_reader import BlobReader
from operators.families.registry import family_of
from operators.replay.cut import CutReplay, ReplayWindow, cut
from operators.replay.scan import ReplaySegment, scan
from schemas.items import Family, SegmentMeta

FAMILIES = {"guance": Family.GUANCE, "datadog": Family.DATADOG}


class _Ref(msgspec.Struct):
    id: str


class _Header(msgspec.Struct):
    """What an SDK repeats inside of its segment."""

    session: _Ref
    view: _Ref
    index_in_view: int
    start: int
    end: int
    records_count: int
    has_full_snapshot: bool
    creation_reason: str


def _uploads(capture: Path) -> Iterator[bytes]:
    """The compressed segments that a capture's browser sent, copies included."""
    with gzip.open(capture) as requests:
        for line in requests:
            request = json.loads(line)
            if request["method"] == "POST" and re.match(r"/v1/write/rum/replay|/api/v2/replay", request["path"]):
                multipart = base64.b64decode(request["body_b64"])
                boundary = multipart[: multipart.index(b"\r\n")]
                yield multipart.split(b"\r\n\r\n", 1)[1].split(b"\r\n" + boundary, 1)[0]


def _windows(capture: Path) -> Iterator[tuple[ReplayWindow, list[bytes]]]:
    """One window per session id, with its distinct segments as JSON."""
    sessions: dict[str, list[ReplaySegment]] = defaultdict(list)
    distinct: dict[str, dict[tuple[str, int, int], bytes]] = defaultdict(dict)
    for body in _uploads(capture):
        raw = zlib.decompress(body)
        header = msgspec.json.decode(raw, type=_Header)
        meta = SegmentMeta(
            header.view.id,
            header.index_in_view,
            header.start,
            header.end,
            header.records_count,
            header.has_full_snapshot,
            header.creation_reason,
            len(raw),
            "zlib",
            "sdk",
            "1.0",
        )
        recording = family_of(FAMILIES[capture.parent.name]).recording
        sessions[header.session.id].append(ReplaySegment(meta, recording, body, scan(raw, recording, meta)))
        distinct[header.session.id][header.view.id, header.index_in_view, header.start] = raw
    for session_id, segments in sessions.items():
        yield ReplayWindow("app", session_id, 0, tuple(segments)), list(distinct[session_id].values())


def _check(replay: CutReplay, distinct: list[bytes]) -> None:
    assert not replay.rejected
    assert not replay.over
    assert replay.counts.kept == len(distinct)
    assert replay.counts.record_count_mismatches == 0
    reader = BlobReader(
        lambda offset, length: replay.blob[offset : offset + length], len(replay.blob), replay.styles.__getitem__
    )
    assert sorted(line + b"\n" for line in reader.segments()) == sorted(distinct)
    assert reader.index == replay.index
    claimed = [placed.segment.has_full_snapshot for placed in replay.placements]
    assert [placed.has_full_snapshot for placed in replay.placements] == claimed


def test_blobs_hold_every_segment_in_the_promised_size(recordings: Path) -> None:
    stored: dict[str, int] = defaultdict(int)
    sent: dict[str, int] = defaultdict(int)
    for capture in sorted(path for family in FAMILIES for path in (recordings / family).glob("*.jsonl.gz")):
        name = capture.name.removesuffix(".jsonl.gz")
        for window, distinct in _windows(capture):
            replay = cut(window)
            _check(replay, distinct)
            stored[name] += len(replay.blob)
            sent[name] += sum(len(window.segments[placed.position].body) for placed in replay.placements)
    assert sum(stored.values()) <= 0.40 * sum(sent.values())
    assert stored["gc-shop"] <= 0.20 * sent["gc-shop"]
