"""Shared styles: which sheets of each SDK they are, and that a blob with them is a function of its segments."""

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from flows.captures import CaptureCounts, read_captures
from lake.blob_reader import BlobReader
from lake.catalog import open_blob
from lake.styles import StyleShelf
from operators.decode import decode
from operators.families.registry import family_of
from operators.replay.cut import CutLimits, CutReplay, ReplayWindow, cut
from operators.replay.frames import FrameLimits
from operators.replay.scan import ReplaySegment, scan, style_texts
from operators.replay.styles import STYLE_BYTES_MIN, choose, styles_of
from operators.wire.inflate import inflate
from operators.wire.unusable import Limits
from schemas.blob import ENDING_BYTES, STYLES_MAX, BlobFormatError, parse_footer
from schemas.items import Family, Item, Kind, SegmentMeta, StyleMark
from schemas.keys import is_style, replay_key, style_digest, style_key
from schemas.retention import HELD_DAYS
from schemas.style import STYLES_BYTES_MAX, encode_style, open_style
from schemas.units import MIB
from sinks.store import LocalStore, ObjectMissing

T0 = 1_795_230_000_000
KEY = replay_key(30, "2026-11-21", "shop", "s1", 0, 0)


def sheet(name: str, length: int = 2 * STYLE_BYTES_MIN) -> str:
    """A sheet that is not easily compressed."""
    return f"/*{name}*/" + random.Random(name).randbytes(length // 2).hex()


def tree(*sheets: tuple[str, str]) -> dict[str, object]:
    """A full snapshot as a tree: elements with the text of their sheet."""
    children = [
        {"type": 2, "tagName": tag, "attributes": {"rel": "stylesheet", "_cssText": text}, "childNodes": [], "id": 2}
        for tag, text in sheets
    ]
    return {"node": {"type": 0, "childNodes": [{"type": 3, "textContent": "x", "id": 3}, *children], "id": 1}}


def segment(index: int, *sheets: tuple[str, str]) -> ReplaySegment:
    record = {"type": 2, "timestamp": T0 + index, "data": tree(*sheets), "salt": index}
    raw = json.dumps({"records": [record]}).encode() + b"\n"
    time_ms = T0 + index
    meta = SegmentMeta("view", index, time_ms, time_ms, 1, bool(sheets), "init", len(raw), "identity", "sdk", "1.0")
    return ReplaySegment(
        meta, family_of(Family.GUANCE).recording, raw, scan(raw, family_of(Family.GUANCE).recording, meta)
    )


def cut_all(segments: Sequence[ReplaySegment], limits: CutLimits | None = None) -> CutReplay:
    return cut(ReplayWindow("shop", "s1", 0, tuple(segments)), limits)


def reader_of(replay: CutReplay) -> BlobReader:
    blob = replay.blob
    return BlobReader(lambda offset, length: blob[offset : offset + length], len(blob), replay.styles.__getitem__)


A, B = sheet("a"), sheet("b", 3 * STYLE_BYTES_MIN)


@pytest.mark.parametrize(
    ("capture", "lengths"),
    [
        ("guance/gc-shop", {253_335}),
        ("guance/gc-multitab", {253_335, 6_556, 45_406}),
        ("datadog/dd-shop", {253_335}),  # 7: tables of changes
        ("datadog/dd-todo-v5", {6_556}),  # 5: a tree
        ("rrweb/rr-editor", {6_994}),
        ("rrweb/rr-spa", {253_335}),
        ("rrweb/ph-docs", set()),  # PostHog compresses snapshots: nothing to see
    ],
)
def test_the_linked_sheets_of_each_sdk_are_found(capture: str, lengths: set[int], samples: Path) -> None:
    found: set[int] = set()
    for one in read_captures([samples / f"{capture}.jsonl.gz"], CaptureCounts()):
        for item in decode(one.message, Limits()):
            if isinstance(item, Item) and item.kind == Kind.SEGMENT:
                raw = inflate(item.body, 64 * MIB)
                texts = list(style_texts(raw, family_of(item.family).recording))
                assert all(text in raw for text in texts)
                found |= set(map(len, texts))
    assert found == lengths


def test_only_sheets_of_links_are_styles() -> None:
    data = json.dumps(tree(("style", A), ("LINK", B), ("div", A))).encode()
    assert styles_of(data) == [B.encode()]


@pytest.mark.parametrize(
    ("length", "count"), [(STYLE_BYTES_MIN - 1, 0), (STYLE_BYTES_MIN, 1), (STYLE_BYTES_MIN + 1, 1)]
)
def test_a_style_has_a_least_length(length: int, count: int) -> None:
    assert len(styles_of(json.dumps(tree(("link", "x" * length))).encode())) == count


def test_a_style_is_the_text_as_the_json_has_it() -> None:
    text = '"' * STYLE_BYTES_MIN
    assert styles_of(json.dumps(tree(("link", text))).encode()) == [b'\\"' * STYLE_BYTES_MIN]


def test_changes_name_a_sheet_by_number_or_spell_it_out() -> None:
    changes = [
        [0, "link", A],
        [1, [None, "#document"], [1, 0], [0, "style"], [0, "LINK"]],
        [7, [1], [B], [["a{}", "b{}"]]],
        [8, [1, 0], [2, 1], [3, 1, 2]],
    ]
    assert styles_of(json.dumps(changes).encode()) == [A.encode()]
    changes[3] = [8, [1, 0], [3, 1, 2]]
    assert styles_of(json.dumps(changes).encode()) == [A.encode(), B.encode()]


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b"x" * STYLE_BYTES_MIN + b'"',
        json.dumps({"node": {"childNodes": [{"tagName": 7, "attributes": {"_cssText": A}}]}}).encode(),
        json.dumps([[8, [5, 5]], [0, A]]).encode(),
        json.dumps([[1, [None, 99]], [0, A]]).encode(),
        json.dumps([[8, []], [0, A]]).encode(),
        json.dumps([[7, [1.5]], [0, A]]).encode(),
        json.dumps([["1"], [], [0, A]]).encode(),
    ],
)
def test_a_snapshot_of_unknown_shape_shares_nothing(data: bytes) -> None:
    assert styles_of(data) == []


def test_the_largest_styles_are_chosen_smallest_first() -> None:
    marks = [StyleMark(5_000 + number, number.to_bytes(16, "big")) for number in range(STYLES_MAX + 3)]
    assert choose(marks + marks) == marks[3:]
    same = [StyleMark(5_000, number.to_bytes(16, "big")) for number in range(STYLES_MAX + 1)]
    assert choose(reversed(same)) == same[STYLES_MAX - 1 :: -1]
    large = [StyleMark(STYLES_BYTES_MAX - 5_000, b"a"), StyleMark(6_000, b"b"), StyleMark(5_000, b"c")]
    assert choose(large) == [large[2], large[0]]


def test_a_blob_with_styles_is_of_version_2_and_gives_its_segments_back() -> None:
    segments = [segment(0, ("link", A)), segment(1, ("link", A), ("link", B)), segment(2, ("style", B))]
    replay = cut_all(segments, CutLimits(frames=FrameLimits(raw_bytes=len(segments[0].body))))
    assert list(replay.styles.values()) == [A.encode(), B.encode()]
    reader = reader_of(replay)
    assert reader.index == replay.index
    assert reader.index.format_version == 2
    assert len(reader.frames) == 3
    assert reader.styles == tuple(replay.styles)
    assert [line + b"\n" for line in reader.segments()] == [one.body for one in segments]
    assert len(replay.blob) < len(A)


def test_a_blob_does_not_depend_on_order_or_copies() -> None:
    segments = [segment(index, ("link", A), ("link", sheet(str(index)))) for index in range(6)]
    replay = cut_all(segments)
    shuffled = random.Random(1).sample([*segments, *segments[:3]], 9)
    assert (cut_all(shuffled).blob, cut_all(shuffled).styles) == (replay.blob, replay.styles)


def test_without_styles_a_blob_stands_alone() -> None:
    small = [segment(0, ("link", "a{}"), ("style", A))]
    assert cut_all(small).blob == cut_all(small, CutLimits(share_styles=False)).blob
    off = cut_all([segment(0, ("link", A))], CutLimits(share_styles=False))
    assert off.styles == {}
    assert off.index is not None
    assert off.index.format_version == 1
    assert reader_of(off).styles == ()


def test_styles_of_what_is_beyond_the_limit_are_not_shared() -> None:
    segments = [segment(0, ("link", A)), segment(1, ("link", B))]
    replay = cut_all(segments, CutLimits(window_raw_bytes=len(segments[0].body)))
    assert list(replay.styles.values()) == [A.encode()]


def stored(folder: Path, replay: CutReplay) -> LocalStore:
    store = LocalStore(folder)
    store.put({style_key(KEY, digest): encode_style(text) for digest, text in replay.styles.items()})
    store.put({KEY: replay.blob})
    return store


def test_a_blob_is_read_with_the_styles_beside_it(tmp_path: Path) -> None:
    replay = cut_all([segment(0, ("link", A)), segment(1, ("link", B))])
    store = stored(tmp_path, replay)
    assert len(list(open_blob(store, KEY).segments())) == 2
    assert open_blob(store, KEY).first_picture()


def test_a_style_is_fetched_once(tmp_path: Path) -> None:
    replay = cut_all([segment(0, ("link", A))])
    store = stored(tmp_path, replay)
    shelf = StyleShelf(store)
    first = list(open_blob(store, KEY, shelf).segments())
    store.delete([style_key(KEY, digest) for digest in replay.styles])
    assert list(open_blob(store, KEY, shelf).segments()) == first


def test_a_missing_style_is_named(tmp_path: Path) -> None:
    replay = cut_all([segment(0, ("link", A))])
    store = stored(tmp_path, replay)
    [key] = [style_key(KEY, digest) for digest in replay.styles]
    store.delete([key])
    with pytest.raises(ObjectMissing, match=key):
        open_blob(store, KEY).first_picture()


@pytest.mark.parametrize("content", [encode_style(b"other"), encode_style(A.encode())[:-1], b"", encode_style(b"")])
def test_a_damaged_style_is_named(content: bytes, tmp_path: Path) -> None:
    replay = cut_all([segment(0, ("link", A))])
    store = stored(tmp_path, replay)
    [key] = [style_key(KEY, digest) for digest in replay.styles]
    store.put({key: content})
    with pytest.raises(BlobFormatError, match=key):
        open_blob(store, KEY).first_picture()


def test_a_reader_without_styles_says_so() -> None:
    blob = cut_all([segment(0, ("link", A))]).blob
    reader = BlobReader(lambda offset, length: blob[offset : offset + length], len(blob))
    assert reader.index.totals.segments == 1  # the index stands alone
    with pytest.raises(BlobFormatError, match="1 styles are needed"):
        reader.first_picture()


@pytest.mark.parametrize("count", [0, STYLES_MAX + 1, 0xFFFF_FFFF])
def test_a_wrong_number_of_styles_is_refused(count: int) -> None:
    blob = bytearray(cut_all([segment(0, ("link", A))]).blob)
    blob[-28:-24] = count.to_bytes(4, "little")
    with pytest.raises(BlobFormatError, match=f"names of {count} styles"):
        parse_footer(bytes(blob), len(blob))


def test_the_end_of_a_file_has_all_names() -> None:
    replay = cut_all([segment(0, *(("link", sheet(str(number))) for number in range(STYLES_MAX + 2)))])
    assert len(replay.styles) == STYLES_MAX
    assert parse_footer(replay.blob[-ENDING_BYTES:], len(replay.blob)).styles == tuple(replay.styles)


def test_the_object_of_a_style_gives_the_text_back() -> None:
    digest = hashlib.sha256(A.encode()).hexdigest()
    assert open_style(encode_style(A.encode()), digest) == A.encode()


def test_a_style_lies_in_the_class_and_day_of_the_blob() -> None:
    key = style_key(KEY, "ab")
    assert key == "replays/retention=30d/dt=2026-11-21/styles/ab.zst"
    assert is_style(key)
    assert style_digest(key) == "ab"
    assert not is_style(replay_key(30, "2026-11-21", "styles", "styles", 0, 0))


def test_a_style_of_a_held_blob_is_its_own() -> None:
    held = replay_key(HELD_DAYS, "2026-11-21", "shop", "s1", 0, 0)
    key = style_key(held, "ab")
    assert key == f"replays/retention={HELD_DAYS}d/dt=2026-11-21/styles/app_id=shop/s1.0.jsonl.zst/ab.zst"
    assert is_style(key)
    assert not is_style(held)
    assert style_digest(key) == "ab"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs the zstd command")
@pytest.mark.parametrize("share_styles", [False, True])
def test_the_documented_commands_print_the_segments(*, share_styles: bool, tmp_path: Path) -> None:
    """As docs/formats.md has them: one for a blob that stands alone, a few lines for one with styles."""
    segments = [segment(0, ("link", A)), segment(1, ("link", A), ("link", B))]
    stored(tmp_path, cut_all(segments, CutLimits(frames=FrameLimits(raw_bytes=1), share_styles=share_styles)))
    alone = 'zstd -dc "$BLOB"'
    documented = (Path(__file__).parents[4] / "docs" / "formats.md").read_text().split("```sh\n")[1].split("```")[0]
    assert (_shell(alone, tmp_path).returncode == 0) is not share_styles
    done = _shell(documented if share_styles else alone, tmp_path)
    assert done.stdout == b"".join(one.body for one in segments)


def _shell(commands: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "BLOB": str(folder / KEY)}
    return subprocess.run(["sh", "-ec", commands], cwd=folder, env=environment, capture_output=True, check=False)
