"""Which packs a shard still knows, and for how long."""

from pathlib import Path

import pytest

from schemas.units import MS_PER_DAY
from sinks.pack_buffer import PackBuffer
from sinks.packs import PackStore
from sinks.store import LocalStore
from tests.flow.made import START_MS

AGE_MS = 2 * MS_PER_DAY


def buffer(tmp_path: Path) -> PackBuffer:
    return PackBuffer(
        PackStore(LocalStore(tmp_path), None, 0), "0000", "test", [(0, 0, ["packs/a"]), (1, START_MS, ["packs/b"])]
    )


@pytest.mark.parametrize(
    ("clock_ms", "known"),
    [
        pytest.param(0, ["packs/a", "packs/b"], id="no clock yet"),
        pytest.param(START_MS + AGE_MS, ["packs/a", "packs/b"], id="old enough to stay"),
        pytest.param(START_MS + AGE_MS + 1, ["packs/a"], id="too old"),
    ],
)
def test_a_pack_is_forgotten_by_its_age(tmp_path: Path, clock_ms: int, known: list[str]) -> None:
    packs = buffer(tmp_path)
    packs.forget(clock_ms, AGE_MS)
    assert packs.names == known


def test_a_pack_from_before_the_first_clock_ages_from_the_first_clock(tmp_path: Path) -> None:
    """A shard that waits for a reader has no clock, and items already."""
    packs = buffer(tmp_path)
    packs.forget(START_MS, AGE_MS)
    packs.forget(START_MS + AGE_MS, AGE_MS)
    assert "packs/a" in packs.names
    assert (0, START_MS, ["packs/a"]) in packs.packed()
    packs.forget(START_MS + AGE_MS + 1, AGE_MS)
    assert packs.names == []
