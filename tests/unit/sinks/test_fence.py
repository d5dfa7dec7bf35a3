"""One job a lake: the owner is asked at the start, the fence before anything becomes visible."""

from pathlib import Path

import pytest

from operators.windows.tracker import Activation
from schemas.items import Rejected, RejectReason
from schemas.retention import Retention
from sinks.fence import Fence, Fenced, NotTheOwner, StaleState, claim_lake
from sinks.packs import PackStore
from sinks.store import LocalStore
from sinks.writer import LakeLimits, LakeWriter, Refusal, ShardPlace


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
    zombie = writer(store, "zombie")
    zombie.refuse(REFUSALS)
    zombie.stage()
    Fence(store, "0000", "successor", "job").take(-1)
    with pytest.raises(Fenced, match="taken over by another process"):
        zombie.publish()
    assert list(store.list("tables/")) == []


def test_a_job_that_takes_over_fences_every_writer_of_the_one_before(store: LocalStore) -> None:
    """Also of shards that it does not have itself."""
    claim_lake(store, "one", is_new=True)
    zombie = writer(store, "zombie")
    zombie.refuse(REFUSALS)
    zombie.stage()
    assert claim_lake(store, "two", is_new=True, take_over=True)
    with pytest.raises(Fenced):
        zombie.publish()


def test_state_from_before_the_last_publication_is_refused(store: LocalStore) -> None:
    """A recovery folder from a backup would write everything since then a second time."""
    job = writer(store, "first")
    states = [b""]
    for seq in range(3):
        job.take(Activation(seq, 0, [], []))
        job.refuse(REFUSALS)
        states.append(job.stage())
        job.publish()
    for old in states[:-1]:
        with pytest.raises(StaleState, match="older than"):
            writer(store, "again", old)
    writer(store, "again", states[-1])


def test_state_that_was_not_published_yet_is_taken(store: LocalStore) -> None:
    """A crash between commit and publication is the usual one."""
    job = writer(store, "first")
    job.take(Activation(0, 0, [], []))
    job.refuse(REFUSALS)
    state = job.stage()
    writer(store, "again", state)
    assert len(list(store.list("tables/quarantine/"))) == 1


def test_what_another_job_published_is_no_measure(store: LocalStore) -> None:
    first = writer(store, "first")
    first.take(Activation(7, 0, [], []))
    first.refuse(REFUSALS)
    first.stage()
    first.publish()
    writer(store, "second", job_id="other")


REFUSALS = [Refusal("rum", 0, 7, 0, Rejected(RejectReason.MALFORMED_JSON, "x", b"x"))]


def writer(store: LocalStore, token: str, state: bytes = b"", job_id: str = "job") -> LakeWriter:
    fence = Fence(store, "0000", token, job_id)
    place = ShardPlace(store, PackStore(store, None, 0), "0000", token, fence)
    return LakeWriter(place, Retention(), LakeLimits(), state)
