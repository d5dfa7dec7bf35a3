"""The golden replay blobs of all format versions: they are still read, and still written with the same bytes."""

import hashlib
from pathlib import Path

from lake.blob_reader import BlobReader
from operators.families.registry import family_of
from operators.replay.cut import CutLimits, ReplayWindow, cut
from operators.replay.frames import FrameLimits
from operators.replay.scan import ReplaySegment, scan
from schemas.blob import BlobIndex, FrameEntry, Snapshot, Totals, ViewEntry
from schemas.items import Family, SegmentMeta
from schemas.style import encode_style, open_style

GOLDEN = Path(__file__).parents[3] / "golden" / "replay-v1.jsonl.zst"
STYLED = GOLDEN.with_name("replay-v2.jsonl.zst")
CONTINUED = GOLDEN.with_name("replay-v3.jsonl.zst")
STYLE = GOLDEN.with_name("replay-v2-style.zst")
T0 = 1_700_000_000_000
HOME = (
    b'{"records":[{"type":4,"timestamp":1700000000000,"data":{"href":"https://shop.example/","width":1280,"height":800}},'
    b'{"type":6,"timestamp":1700000000000,"data":{"has_focus":true}},'
    b'{"type":2,"timestamp":1700000000000,"data":{"node":{"type":0,"childNodes":[],"id":1},'
    b'"initialOffset":{"left":0,"top":0}}}],"start":1700000000000,"end":1700000000000,"index_in_view":0}\n'
)
CLICK = (
    b'{"records":[{"type":3,"timestamp":1700000002500,"data":{"source":2,"type":2,"id":1,"x":10,"y":20}}],'
    b'"start":1700000002500,"end":1700000002500,"index_in_view":2}\n'
)
CART = (
    '{"records":[{"type":2,"timestamp":1700000090000,"data":{"node":{"type":0,"childNodes":[],"id":1},'
    '"initialOffset":{"left":0,"top":0}}}],"start":1700000090000,"end":1700000090000,"title":"购物车"}\n'
).encode()


def _segment(view_id: str, index: int, time_ms: int, raw: bytes) -> ReplaySegment:
    records = 3 if raw is HOME else 1
    meta = SegmentMeta(
        view_id=view_id,
        index_in_view=index,
        start_ms=time_ms,
        end_ms=time_ms,
        records_count=records,
        has_full_snapshot=raw is not CLICK,
        creation_reason="init",
        raw_bytes=len(raw),
        encoding="identity",
        sdk_name="df_web_rum_sdk",
        sdk_version="3.2.27",
    )
    return ReplaySegment(
        meta, family_of(Family.GUANCE).recording, raw, scan(raw, family_of(Family.GUANCE).recording, meta)
    )


WINDOW = ReplayWindow(
    app_id="shop",
    session_id="golden-session",
    session_part=1,
    segments=(
        _segment("home", 0, T0, HOME),
        _segment("home", 2, T0 + 2_500, CLICK),
        _segment("cart", 0, T0 + 90_000, CART),
    ),
)
SHEET = "".join(f".item-{number}{{width:{number}px}}\\n" for number in range(200)).encode()
SHOP = (
    b'{"records":[{"type":2,"timestamp":1700000000000,"data":{"node":{"type":0,"childNodes":[{"type":2,"tagName":"link",'
    b'"attributes":{"rel":"stylesheet","_cssText":"' + SHEET + b'"},"childNodes":[],"id":2}],"id":1},'
    b'"initialOffset":{"left":0,"top":0}}}],"start":1700000000000,"end":1700000000000,"index_in_view":0}\n'
)
STYLED_WINDOW = ReplayWindow("shop", "golden-session", 0, (_segment("home", 0, T0, SHOP),))
CONTINUED_WINDOW = ReplayWindow(
    "shop",
    "golden-session",
    2,
    (
        _segment("home", 0, T0 - 2_500, CLICK),  # its snapshot was in the window before
        _segment("home", 1, T0, SHOP),
        _segment("home", 2, T0 + 2_500, CLICK),
        _segment("home", 3, T0 + 2_600, CLICK),
        _segment("cart", 0, T0 + 90_000, CART),
    ),
)
CONTINUED_LIMITS = CutLimits(frames=FrameLimits(raw_bytes=2 * len(CLICK)))
LIMITS = CutLimits(frames=FrameLimits(raw_bytes=len(HOME) + len(CLICK)))


def test_the_reader_reads_the_golden_file() -> None:
    data = GOLDEN.read_bytes()
    reader = BlobReader(lambda offset, length: data[offset : offset + length], len(data))
    assert [line + b"\n" for line in reader.segments()] == [HOME, CLICK, CART]
    first_length = reader.frames[0].length
    assert reader.index == BlobIndex(
        format_version=1,
        app_id="shop",
        session_id="golden-session",
        session_part=1,
        family="guance",
        sdk_name="df_web_rum_sdk",
        sdk_version="3.2.27",
        start_ms=T0,
        end_ms=T0 + 90_000,
        frames=(
            FrameEntry(
                offset=0,
                length=first_length,
                raw_length=len(HOME) + len(CLICK),
                segments=2,
                start_ms=T0,
                end_ms=T0 + 2_500,
                views=(0,),
                snapshots=(Snapshot(time_ms=T0, view=0, line=0),),
            ),
            FrameEntry(
                offset=first_length,
                length=reader.frames[1].length,
                raw_length=len(CART),
                segments=1,
                start_ms=T0 + 90_000,
                end_ms=T0 + 90_000,
                views=(1,),
                snapshots=(Snapshot(time_ms=T0 + 90_000, view=1, line=0),),
            ),
        ),
        views=(
            ViewEntry("home", T0, T0 + 2_500, "https://shop.example/", segments=2, missing_segments=1),
            ViewEntry("cart", T0 + 90_000, T0 + 90_000, None, segments=1, missing_segments=0),
        ),
        idle=((T0 + 2_500, T0 + 90_000),),
        totals=Totals(segments=3, records=5, raw_bytes=len(HOME + CLICK + CART), missing_segments=1),
    )


def test_the_writer_still_produces_the_golden_bytes() -> None:
    """If only libzstd or a level changed the compressed bytes, replace the file; else the format has changed."""
    assert cut(WINDOW, LIMITS).blob == GOLDEN.read_bytes()


def test_the_reader_reads_the_golden_file_with_a_style() -> None:
    data, style = STYLED.read_bytes(), STYLE.read_bytes()
    reader = BlobReader(
        lambda offset, length: data[offset : offset + length], len(data), lambda digest: open_style(style, digest)
    )
    assert [line + b"\n" for line in reader.segments()] == [SHOP]
    assert reader.styles == (hashlib.sha256(SHEET).hexdigest(),)
    assert reader.index.format_version == 2


def test_the_writer_still_produces_the_golden_bytes_with_a_style() -> None:
    """As above."""
    replay = cut(STYLED_WINDOW)
    assert replay.blob == STYLED.read_bytes()
    assert [encode_style(text) for text in replay.styles.values()] == [STYLE.read_bytes()]


def test_the_reader_reads_the_golden_file_of_frames_that_go_on() -> None:
    data, style = CONTINUED.read_bytes(), STYLE.read_bytes()
    reader = BlobReader(
        lambda offset, length: data[offset : offset + length], len(data), lambda digest: open_style(style, digest)
    )
    assert [[line + b"\n" for line in reader.frame_segments(number)] for number in range(4)] == [
        [CLICK], [SHOP], [CLICK, CLICK], [CART],
    ]  # fmt: skip
    assert [frame.is_continued for frame in reader.frames] == [True, False, True, False]
    assert [line + b"\n" for line in reader.first_picture()] == [SHOP]
    assert reader.index.format_version == 3


def test_the_writer_still_produces_the_golden_bytes_of_frames_that_go_on() -> None:
    """As above."""
    assert cut(CONTINUED_WINDOW, CONTINUED_LIMITS).blob == CONTINUED.read_bytes()
