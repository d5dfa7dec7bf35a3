"""An S3 server, or a proxy before it, that sends less of an object than it has."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.demo.servers import REGION, S3Server
from sinks.packs import PackStore
from sinks.s3 import S3Store
from sinks.steady import Patience, SteadyStore
from sinks.store import ObjectStore, StoreUnavailable
from tests.flow.harness import capture_messages
from tests.serve.lakes import items_of, pack_of
from tests.torture.fault_proxy import Faults, fault_proxy

CONTENT = bytes(range(256)) * 40
PART_BYTES = 5 << 20  # the least that S3 takes as a part


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def s3_store(s3: S3Server, faults: Faults) -> Iterator[S3Store]:
    with fault_proxy(s3.endpoint_url, faults) as url:
        options = {**s3.storage_options(), "client_kwargs": {"endpoint_url": url, "region_name": REGION}}
        yield S3Store(f"s3://lake/{uuid.uuid4().hex}", options)


READS: dict[str, tuple[Callable[[ObjectStore], bytes], bytes]] = {
    "whole": (lambda store: store.read("k"), CONTENT),
    "head": (lambda store: store.read_range("k", 0, 10), CONTENT[:10]),
    "beyond the end": (lambda store: store.read_range("k", 5000, len(CONTENT)), CONTENT[5000:]),
    "last": (lambda store: store.read_range("k", len(CONTENT) - 24, 24), CONTENT[-24:]),
    "tail": (lambda store: store.read_tail("k", 24).content, CONTENT[-24:]),
}


@pytest.mark.parametrize(("read", "expected"), READS.values(), ids=READS)
def test_an_answer_that_is_cut_now_and_then_is_asked_for_again(
    s3_store: S3Store, faults: Faults, read: Callable[[ObjectStore], bytes], expected: bytes
) -> None:
    store = SteadyStore(s3_store, Patience(60))
    store.put({"k": CONTENT})
    faults.shares["shortened"] = 0.5
    assert [read(store) for _ in range(4)] == [expected] * 4
    assert faults.done["shortened"]


@pytest.mark.parametrize("read", [read for read, _ in READS.values()], ids=READS)
def test_a_server_that_always_cuts_is_unavailable(
    s3_store: S3Store, faults: Faults, read: Callable[[ObjectStore], bytes]
) -> None:
    s3_store.put({"k": CONTENT})
    faults.shares["shortened"] = 1.0
    with pytest.raises(StoreUnavailable, match=r"failed: .*'k'"):  # its text is botocore's where that has a checksum
        read(SteadyStore(s3_store, Patience(0)))


@pytest.mark.parametrize("read", [read for read, _ in READS.values()], ids=READS)
def test_every_read_is_one_request(s3_store: S3Store, faults: Faults, read: Callable[[ObjectStore], bytes]) -> None:
    s3_store.put({"k": CONTENT})
    faults.asked.clear()
    read(s3_store)
    assert faults.asked == {"GET": 1}


def test_an_object_whose_etag_is_no_md5_is_measured_once(s3_store: S3Store, faults: Faults) -> None:
    """One that was uploaded in parts has such a tag. From then on every whole read is a range, which tells the size."""
    content = CONTENT * (PART_BYTES * 2 // len(CONTENT) + 1)
    fs = s3_store._fs
    fs.pipe_file(s3_store._path("k"), content, chunksize=PART_BYTES)
    assert "-" in fs.info(s3_store._path("k"))["ETag"]
    s3_store.put({"empty": b"", "other": CONTENT})
    faults.asked.clear()
    assert s3_store.read("k") == content
    assert faults.asked == {"GET": 1, "HEAD": 1}
    assert s3_store.read("k") == content
    assert s3_store.read("other") == CONTENT
    assert faults.asked == {"GET": 3, "HEAD": 1}
    assert s3_store.read("empty") == b""
    faults.shares["shortened"] = 1.0
    with pytest.raises(StoreUnavailable, match="bytes came of"):
        s3_store.read("k")


def test_a_pack_is_read_whole_or_not_at_all(s3_store: S3Store, faults: Faults, samples: Path) -> None:
    messages = capture_messages([samples / "datadog" / "dd-todo-v5.jsonl.gz"])
    key, pack = pack_of(1, messages)
    [item, *_] = items_of(messages[0])
    s3_store.put({key: pack})
    whole = PackStore(s3_store, None, 0).read([key], item.app_id, item.session_id)
    assert len(whole) > 10
    faults.shares["shortened"] = 0.5
    for _ in range(2):
        packs = PackStore(SteadyStore(s3_store, Patience(60)), None, 0)
        assert packs.read([key], item.app_id, item.session_id) == whole
    faults.shares["shortened"] = 1.0
    with pytest.raises(StoreUnavailable):
        PackStore(SteadyStore(s3_store, Patience(0)), None, 0).read([key], item.app_id, item.session_id)
