"""Many viewers of one long recording, and what a first picture of it takes."""

import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.big_session import APP, SESSION, write_capture
from bench.options import Options
from bench.results import Figure, figure
from bench.serving import BESIDE, checkouts, python, serving
from bench.spent import REPOSITORY, memory_bytes

ABOUT = (
    "One long recording of plain rrweb (`bench/big_session.py`: a full snapshot and eight pictures every four "
    "seconds), written and served from local disk. Viewers come at once, each over a connection of its own: the "
    "session, what there is to play, the first chunk (together the first picture), then three more chunks, with zstd; "
    "one who is refused asks again after the second that the answer names. Then the first picture and seeks by byte "
    f"ranges of the blob, as a foreign player reads it. `{BESIDE}` names another checkout, which is measured in turn."
)
_CHUNKS = 4
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class _Seen(msgspec.Struct):
    """What viewers saw. Milliseconds."""

    statuses: Counter[int]
    pictures: list[float]
    chunks: list[float]


def measure(options: Options) -> tuple[dict[str, str | float], list[Figure]]:
    """By side and number of viewers."""
    raw_bytes = options.size(40_000_000, 117_000_000)
    viewers = options.size(20, 50)
    times: dict[str, list[float]] = defaultdict(list)
    refused: dict[str, list[float]] = defaultdict(list)
    memory: dict[str, list[float]] = defaultdict(list)
    ranges: dict[str, list[float]] = defaultdict(list)
    stored: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="replaylake-bench-") as work:
        capture = Path(work) / "big.jsonl.gz"
        segments = write_capture(capture, raw_bytes, options.seed)
        for side, checkout in checkouts().items():
            lake = Path(work) / side
            command = python(checkout, "-m", "flows.cli", "backfill", str(capture), "--lake", str(lake))
            subprocess.run(command, check=True, capture_output=True, cwd=checkout)
            [blob] = lake.glob("replays/*/*/app_id=*/*.zst")
            stored[side] = [blob.stat().st_size / 1e6]
            for name, value in _ranges(checkout, blob).items():
                ranges[f"{name}, {side}"] = [value]
        for _ in range(options.rounds):
            for side, checkout in checkouts().items():
                for count in (1, viewers):
                    with serving(Path(work) / side, Path(work), checkout) as (url, process_id):
                        seen = uvloop.run(_watch(urlsplit(url).port or 0, count))
                        peak = memory_bytes("VmHWM", str(process_id)) / 2**20
                    for name, value in _figures(seen).items():
                        times[f"{name}, {count} at once, {side}"].append(value)
                    refused[f"{count} at once, {side}"].append(seen.statuses[429])
                    memory[f"{count} at once, {side}"].append(peak)
                    others = {status for status in seen.statuses if status not in {200, 429}}
                    if others:
                        raise RuntimeError(f"{side}: {seen.statuses}")
    parameters: dict[str, str | float] = {"raw MB": raw_bytes / 1e6, "segments": segments, "seed": options.seed}
    return parameters, [
        figure("first picture and chunks", "ms", "", times),
        figure("refused (429)", "answers", "", refused),
        figure("peak memory of the server", "MiB", "", memory),
        figure("by byte ranges", "", "", ranges),
        figure("the blob", "MB", "", stored),
    ]


def _figures(seen: _Seen) -> Mapping[str, float]:
    return {
        "first picture, p50": statistics.median(seen.pictures),
        "first picture, p95": _percentile(seen.pictures, 0.95),
        "chunk, p50": statistics.median(seen.chunks),
        "chunk, p95": _percentile(seen.chunks, 0.95),
    }


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[round(share * (len(values) - 1))]


def _ranges(checkout: Path, blob: Path) -> dict[str, float]:
    script = str(REPOSITORY / "bench" / "sides" / "ranges.py")
    done = subprocess.run(
        python(checkout, script, str(blob)),
        check=True,
        capture_output=True,
        cwd=checkout,
        env={"PYTHONPATH": str(checkout)},
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _watch(port: int, viewers: int) -> _Seen:
    await _until_ready(port)
    seen = _Seen(Counter(), [], [])
    async with asyncio.TaskGroup() as group:
        for _ in range(viewers):
            group.create_task(_viewer(port, seen))
    return seen


async def _until_ready(port: int) -> None:
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        status = await _ask(reader, writer, "/health/ready")
        writer.close()
        if status == 200:
            return
        await asyncio.sleep(0.1)


async def _viewer(port: int, seen: _Seen) -> None:
    session = f"/api/v1/apps/{APP}/sessions/{SESSION}"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    for path in ("", "/replay"):
        await _answered(reader, writer, session + path, seen)
    for chunk in range(_CHUNKS):
        asked = time.monotonic()
        await _answered(reader, writer, f"{session}/replay/events?track=0&chunk={chunk}", seen)
        if not chunk:
            seen.pictures.append((time.monotonic() - began) * 1e3)
        seen.chunks.append((time.monotonic() - asked) * 1e3)
    writer.close()


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, seen: _Seen) -> None:
    while True:
        status = await _ask(reader, writer, path)
        seen.statuses[status] += 1
        if status != 429:
            return
        await asyncio.sleep(1)  # Retry-After


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> int:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: zstd\r\n\r\n".encode())
    head = (await reader.readuntil(_HEAD_END)).lower()
    start = head.index(_LENGTH) + len(_LENGTH)
    await reader.readexactly(int(head[start : head.index(b"\r", start)]))
    return int(head[9:12])
