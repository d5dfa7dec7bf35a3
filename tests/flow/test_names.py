"""No two writers can make one name with different content."""

from pathlib import Path

import pytest

from flows.captures import CaptureCounts, read_captures
from lake.verify import verify
from schemas.keys import REPLAYS
from sinks.publisher import NameTaken
from sinks.store import LocalStore
from tests.flow.harness import read_lake, run


def test_a_replay_of_somebody_else_is_left_as_it_is(samples: Path, tmp_path: Path) -> None:
    """As a job that closes a session of which a backfill has written a part."""
    paths = [samples / "guance/gc-shop.jsonl.gz", samples / "datadog/dd-shop.jsonl.gz"]
    messages = [one.message for one in read_captures(paths, CaptureCounts())]
    before = run(messages[: len(messages) // 2], [], tmp_path)
    assert before.blobs
    with pytest.raises(NameTaken, match=r"replays are in .* already with other content"):
        run(messages, [], tmp_path, seq=10)
    assert read_lake(tmp_path) == before
    assert verify(LocalStore(tmp_path)).problems == []


def test_the_same_replay_again_is_no_other(samples: Path, tmp_path: Path) -> None:
    messages = [one.message for one in read_captures([samples / "guance/gc-shop.jsonl.gz"], CaptureCounts())]
    before = run(messages, [], tmp_path)
    assert run(messages, [], tmp_path).blobs == before.blobs
    assert list(LocalStore(tmp_path).list(REPLAYS))
