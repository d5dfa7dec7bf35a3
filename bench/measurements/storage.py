"""Stored replay bytes over all recordings, beside what the SDKs sent and what a batch writer would store."""

import subprocess
import sys
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from bench.clones import capture_files
from bench.options import Options
from bench.results import Figure, figure
from flows.captures import CaptureCounts, read_captures
from lake.catalog import open_blob, read_rows, table_keys
from operators.decode import decode
from operators.wire.inflate import inflate, is_zlib
from operators.wire.unusable import Limits
from schemas.items import Item, Kind
from schemas.keys import style_key
from schemas.units import GIB, MIB
from sinks.store import LocalStore

ABOUT = (
    "What a replay takes at rest, with everything a reader needs: blobs with their index and checksums, the style "
    "sheets they share (each once per class and day), and the files of the table that says where each segment lies. "
    "Over every recording there is, by SDK family and by the size of the session, beside the bytes that the SDKs "
    "sent for the same segments (each zlib alone; what rrweb sends without compression is counted as zlib level 6), "
    "and beside blocks of a batch writer: the same segments of one session in one flush of 10 s together, with "
    "snappy. Nothing here depends on chance, so there is one round."
)
_BATCH_MS = 10_000
_CLASSES = (("under 0.25 MiB raw", MIB // 4), ("0.25 to 1 MiB raw", MIB), ("1 to 4 MiB raw", 4 * MIB), ("over", GIB))
_SDK, _SNAPPY, _OURS = "as the SDK sent it", "snappy blocks of 10 s", "Replay Lake"


class _Session(msgspec.Struct):
    """One session's distinct segments. `batches`: raw bytes received in one flush."""

    family: str
    raw_bytes: int = 0
    sent_bytes: int = 0
    stored_bytes: float = 0.0
    segments: int = 0
    batches: dict[int, bytearray] = msgspec.field(default_factory=dict)

    @property
    def snappy_bytes(self) -> int:
        return sum(len(pa.compress(bytes(batch), codec="snappy", asbytes=True)) for batch in self.batches.values())


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """Stored bytes by family and by size class; `--full` makes no difference."""
    del options
    paths = capture_files()
    sessions = _received(paths)
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as folder:
        lake = Path(folder) / "lake"
        command = [sys.executable, "-m", "flows.cli", "backfill", *map(str, paths), "--lake", str(lake)]
        subprocess.run(command, check=True, capture_output=True)
        _add_stored(sessions, LocalStore(lake))
    found = list(sessions.values())
    parameters: dict[str, str | float] = {
        "captures": len(paths),
        "sessions": len(found),
        "segments": sum(one.segments for one in found),
        "raw MB": sum(one.raw_bytes for one in found) / 1e6,
    }
    figures = [_figure("all", found), _figure("guance and datadog", [one for one in found if one.family != "rrweb"])]
    figures += [_figure(family, _of(found, family)) for family in sorted({one.family for one in found})]
    least = 0
    for name, below in _CLASSES:
        figures += [_figure(name, some)] if (some := [one for one in found if least <= one.raw_bytes < below]) else []
        least = below
    return parameters, figures


def _received(paths: Iterable[Path]) -> dict[str, _Session]:
    """What the SDKs sent, each segment once."""
    found: dict[str, _Session] = {}
    seen: set[tuple[str, int]] = set()
    for captured in read_captures(paths, CaptureCounts()):
        family = (captured.message.type or "").partition(".")[0]
        for item in decode(captured.message, Limits()):
            if not isinstance(item, Item) or item.kind != Kind.SEGMENT or (item.session_id, item.ident) in seen:
                continue
            seen.add((item.session_id, item.ident))
            raw = inflate(item.body, GIB)
            session = found.setdefault(item.session_id, _Session(family))
            session.raw_bytes += len(raw)
            session.sent_bytes += len(item.body if is_zlib(item.body) else zlib.compress(raw, 6))
            session.segments += 1
            session.batches.setdefault(item.received_ms // _BATCH_MS, bytearray()).extend(raw + b"\n")
    return found


def _add_stored(sessions: dict[str, _Session], store: LocalStore) -> None:
    """Blobs by session; the table's files by each session's share of their rows; a style by those who need it."""
    keys = list(table_keys(store, "replay_segments"))
    rows = read_rows(store, keys, "replay_segments")
    blobs: dict[str, set[str]] = defaultdict(set)
    row_bytes = sum(store.size(key) for key in keys) / len(rows)
    for row in rows:
        session = sessions[str(row["session_id"])]
        session.stored_bytes += row_bytes
        blobs[str(row["session_id"])].add(str(row["replay_key"]))
    for session_id, names in blobs.items():
        sessions[session_id].stored_bytes += sum(store.size(name) for name in names)
    users: dict[str, list[str]] = defaultdict(list)
    for session_id, names in blobs.items():
        for name in names:
            for digest in open_blob(store, name).styles:
                users[style_key(name, digest)].append(session_id)
    for key, needed_by in users.items():
        for session_id in needed_by:
            sessions[session_id].stored_bytes += store.size(key) / len(needed_by)


def _of(sessions: Iterable[_Session], family: str) -> list[_Session]:
    return [one for one in sessions if one.family == family]


def _figure(name: str, sessions: Sequence[_Session]) -> Figure:
    raw = sum(one.raw_bytes for one in sessions)
    sides = {
        _SDK: [sum(one.sent_bytes for one in sessions) / 1e3],
        _SNAPPY: [sum(one.snappy_bytes for one in sessions) / 1e3],
        _OURS: [sum(one.stored_bytes for one in sessions) / 1e3],
    }
    return figure(f"{name}: {len(sessions)} sessions, {raw / 1e6:.1f} MB raw", "kB", _SDK, sides)
