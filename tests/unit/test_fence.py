"""One job a lake: the owner is asked at the start, the fence before anything becomes visible."""

from pathlib import Path

import pytest

from schemas.items import Rejected, RejectReason
from schemas.retention import Retention
from sinks.fence import Fence, Fenced, NotTheOwner, claim_lake
from sinks.lake import LakeLimits, LakeWriter, Refusal
from sinks.packs import PackStore
from sinks.store import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


def test_the_first_job_owns_the_lake_and_comes_back(store: LocalStore) -> None:
    claim_lake(store, "one", is_new=True)
    claim_lake(store, "one", is_new=False)


def test_another_job_is_refused_and_can_take_over_on_demand(store: LocalStore) -> None:
    claim_lake(store, "one", is_new=True)
    with pytest.raises(NotTheOwner, match="written by another job"):
        claim_lake(store, "two", is_new=True)
    claim_lake(store, "two", is_new=True, take_over=True)
    with pytest.raises(NotTheOwner):
        claim_lake(store, "one", is_new=False)


def test_state_without_its_lake_is_refused(store: LocalStore) -> None:
    """A wrong lake in the configuration: what is staged in the right one would never be published."""
    with pytest.raises(NotTheOwner, match="not the lake that the state of this job"):
        claim_lake(store, "one", is_new=False)


def test_a_writer_that_was_replaced_publishes_nothing(store: LocalStore) -> None:
    """As a process that was suspended while another took its place."""
    zombie, zombie_fence = writer(store, "zombie")
    zombie_fence.take()
    zombie.refuse([Refusal("rum", 0, 7, 0, Rejected(RejectReason.MALFORMED_JSON, "x", b"x"))])
    zombie.stage()
    Fence(store, "0000", "successor").take()
    with pytest.raises(Fenced, match="taken over by another process"):
        zombie.publish()
    assert list(store.list("tables/")) == []


def writer(store: LocalStore, token: str) -> tuple[LakeWriter, Fence]:
    fence = Fence(store, "0000", token)
    packs = PackStore(store, None, 0)
    return LakeWriter(store, packs, "0000", Retention(), LakeLimits(), token, may_publish=fence.check), fence
