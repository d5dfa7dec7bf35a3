"""What the API hands out of a session is what lies in the lake: chunks, blobs, timelines; and ids are data."""

from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lake.blob_reader import BlobReader, RangeRead
from lake.catalog import latest_views, read_rows, session_rows, table_keys
from lake.export import blob_keys, rrweb_tracks
from schemas.items import LINE_TABLE
from schemas.style import open_style
from sinks.store import LocalStore
from tests.serve.server import API, Served, session_path

Row = dict[str, Any]
LINES = tuple(LINE_TABLE.values())


def test_the_chunks_of_every_session_are_what_export_gives(served: Served, rows: list[Row], lake: Path) -> None:
    store = LocalStore(lake)
    families = set()
    for row in rows:
        keys = blob_keys(session_rows(store, "replay_segments", row["app_id"], row["session_id"]))
        tracks = served.ask(session_path(row, "/replay")).json()["tracks"]
        played = [
            [
                event
                for chunk in track["chunks"]
                for event in served.ask(
                    session_path(row, f"/replay/events?track={track['track']}&chunk={chunk['chunk']}")
                ).json()
            ]
            for track in tracks
        ]
        assert played == [track.events for track in rrweb_tracks(store, keys)], row["session_id"]
        families |= {track["source"] for track in tracks}
    assert families == {"guance", "datadog", "rrweb", "sentry"}


def test_the_list_of_tracks_says_when_what_was_shown(served: Served, rows: list[Row]) -> None:
    several = 0
    for row in rows:
        answer = served.ask(session_path(row, "/replay")).json()
        assert answer["live"] is False
        several += len(answer["tracks"]) > 1
        for number, track in enumerate(answer["tracks"]):
            assert track["track"] == number
            assert [chunk["chunk"] for chunk in track["chunks"]] == list(range(len(track["chunks"])))
            assert track["start_ms"] == track["chunks"][0]["start_ms"]
            assert track["views"]
            for start_ms, end_ms in track["idle"]:
                assert track["start_ms"] <= start_ms < end_ms <= track["end_ms"]
    assert several  # gc-multitab


@pytest.mark.parametrize("encoding", ["", "gzip", "zstd", "gzip, deflate, br, zstd", "gzip;q=0", "*"])
def test_events_are_compressed_as_the_caller_accepts(served: Served, rows: list[Row], encoding: str) -> None:
    plain = served.ask(session_path(rows[0], "/replay/events"), Accept_Encoding="identity")
    answer = served.ask(session_path(rows[0], "/replay/events"), Accept_Encoding=encoding)
    assert answer.body == plain.body
    expected = {"gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd"}.get(encoding)
    assert answer.headers.get("content-encoding") == expected
    assert answer.headers["vary"] == "Accept-Encoding"


def test_a_blob_can_be_read_over_http_with_nothing_but_the_format_document(
    served: Served, rows: list[Row], lake: Path
) -> None:
    for row in rows:
        blobs = served.ask(session_path(row, "/replay/blobs")).json()["blobs"]
        keys = blob_keys(session_rows(LocalStore(lake), "replay_segments", row["app_id"], row["session_id"]))
        assert len(blobs) == len(keys)
        for blob, key in zip(blobs, keys, strict=True):
            whole = served.ask(blob["url"])
            assert whole.status == 200
            assert whole.body == (lake / key).read_bytes()
            styles = [(url.rpartition("/")[2], served.ask(url).body) for url in blob["styles"]]
            texts = {digest: open_style(stored, digest) for digest, stored in styles}
            reader = BlobReader(_ranges(served, blob["url"]), blob["bytes"], texts.__getitem__)
            assert reader.index.session_id == row["session_id"]
            assert sum(1 for _ in reader.segments()) == reader.index.totals.segments


@pytest.mark.parametrize(
    ("wanted", "status", "place"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=10-99999999999", 206, slice(10, None)),
        ("bytes=-99999999999", 200, slice(None)),
        ("bytes=0-", 200, slice(None)),
        ("bytes=9-3", 200, slice(None)),  # no range: not heeded
        ("bytes=0-1,3-4", 200, slice(None)),
        ("items=0-1", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("bytes=99999999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=" + "9" * 50 + "-", 416, slice(0, 0)),
    ],
)
def test_ranges_of_a_blob(served: Served, rows: list[Row], wanted: str, status: int, place: slice) -> None:
    path = session_path(rows[0], "/replay/blobs/0")
    whole = served.ask(path)
    answer = served.ask(path, Range=wanted)
    assert answer.status == status
    assert answer.body == whole.body[place]
    size = len(whole.body)
    if status == 206:
        start, end, _ = place.indices(size)
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    elif status == 416:
        assert answer.headers["content-range"] == f"bytes */{size}"


def test_a_range_of_a_blob_that_has_changed_is_the_whole_blob(served: Served, rows: list[Row]) -> None:
    path = session_path(rows[0], "/replay/blobs/0")
    tag = served.ask(path, "HEAD").headers["etag"]
    assert served.ask(path, Range="bytes=0-3", If_Range=tag).status == 206
    assert served.ask(path, Range="bytes=0-3", If_Range='"another"').status == 200


def test_a_timeline_has_every_row_of_the_session_with_every_column(served: Served, rows: list[Row], lake: Path) -> None:
    store = LocalStore(lake)
    stored = {table: read_rows(store, table_keys(store, table), table) for table in LINES}
    assert all(stored.values())
    for row in rows:
        found = served.ask(session_path(row, "/timeline")).json()
        for table in LINES:
            mine = [one for one in stored[table] if one["session_id"] == row["session_id"]]
            mine = latest_views(mine) if table == "views" else mine
            assert len(found[table]) == len(mine), (table, row["session_id"])
            assert [one["time"] for one in found[table]] == sorted(_ms(one["time"]) for one in mine)
            if mine:
                assert set(found[table][0]) == set(mine[0])
        part = served.ask(session_path(row, "/timeline?part=7")).json()
        assert part == {table: [] for table in LINES}


@pytest.mark.parametrize(
    "name",
    ["..", ".", "%2e%2e", "..%2f..%2f..%2fetc%2fpasswd", "%00", "a%00b", "%2F", "%5C", "%FF%FE", "x" * 10_000, "%25",
     "*", "%F0%9F%98%80", "' OR 1=1 --".replace(" ", "%20"), "replays%2Fretention=14d", "%0d%0aSet-Cookie:%20a=b"],
)  # fmt: skip
def test_ids_are_data_and_never_paths(served: Served, rows: list[Row], name: str) -> None:
    app = rows[0]["app_id"]
    session = rows[0]["session_id"]
    for route in ("", "/timeline", "/replay", "/replay/events", "/replay/blobs", "/replay/blobs/0"):
        for path in (f"{API}/apps/{app}/sessions/{name}{route}", f"{API}/apps/{name}/sessions/{session}{route}"):
            answer = served.ask(path)
            assert answer.status in (400, 404), (path[:200], answer.body)
            assert list(answer.json()) == ["error"]
            assert "set-cookie" not in answer.headers


def test_a_session_with_an_id_of_slashes_is_found(tmp_path: Path) -> None:
    """See `Gate`: a `%2F` in an id does not end it."""
    from tests.serve.lakes import write_sessions  # noqa: PLC0415
    from tests.serve.server import serving  # noqa: PLC0415

    hostile = ["../../etc/passwd", "a/b", "%2F", "😀", "a\0b", " ", "x" * 128, "a?b#c"]
    write_sessions(
        LocalStore(tmp_path / "lake"), "0000-0000000001-0123456789ab", [{"session_id": one} for one in hostile]
    )
    with serving(str(tmp_path / "lake"), tmp_path / "server") as server:
        for row in server.ask(f"{API}/sessions").json()["sessions"]:
            found = server.ask(session_path(row))
            assert found.status == 200, row["session_id"]
            assert [one["session_id"] for one in found.json()["windows"]] == [row["session_id"]]
            hostile.remove(row["session_id"])
    assert hostile == []


def test_a_caller_who_goes_away_in_the_middle_does_no_harm(served: Served, rows: list[Row]) -> None:
    for _ in range(5):
        connection = HTTPConnection(urlsplit(served.url).netloc, timeout=120)
        connection.request("GET", session_path(rows[0], "/replay/events"))
        connection.close()
    assert served.ask(session_path(rows[0])).status == 200


def _ranges(served: Served, url: str) -> RangeRead:
    return lambda start, length: served.ask(url, Range=f"bytes={start}-{start + length - 1}").body


def _ms(value: object) -> float:
    assert isinstance(value, datetime)
    micros = round(value.timestamp() * 1_000_000)
    return micros // 1000 if micros % 1000 == 0 else micros / 1000
