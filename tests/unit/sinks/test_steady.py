"""Patience with the store: what is temporary is tried again and counted, what is not is raised at once."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sinks.steady import Patience, SteadyStore
from sinks.store import LocalStore, ObjectMissing, StoreRefused, StoreUnavailable


class FailingStore(LocalStore):
    """Fails as often as told, then works."""

    def __init__(self, root: Path, failures: int, error: Callable[[str], Exception] = StoreUnavailable) -> None:
        super().__init__(root)
        self.failures = failures
        self.error = error

    def put(self, objects: Mapping[str, bytes]) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error("as told")
        super().put(objects)


def test_an_unavailable_store_is_tried_again(tmp_path: Path) -> None:
    store = SteadyStore(FailingStore(tmp_path, 2), Patience(30))
    store.put({"a": b"123"})
    assert store.read("a") == b"123"
    assert store.counts.requests == {("put", "failed"): 2, ("put", "ok"): 1, ("get", "ok"): 1}
    assert (store.counts.retries, store.counts.bytes_out, store.counts.bytes_in) == (2, 3, 3)


def test_a_store_that_refuses_is_not_tried_again(tmp_path: Path) -> None:
    store = SteadyStore(FailingStore(tmp_path, 1, StoreRefused), Patience(30))
    with pytest.raises(StoreRefused):
        store.put({"a": b""})
    assert store.counts.retries == 0


def test_a_missing_object_is_an_answer(tmp_path: Path) -> None:
    store = SteadyStore(LocalStore(tmp_path), Patience(30))
    with pytest.raises(ObjectMissing):
        store.read("nothing")
    assert store.counts.requests == {("get", "missing"): 1}


def test_patience_ends(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        SteadyStore(FailingStore(tmp_path, 1000), Patience(0.3)).put({"a": b""})


@pytest.mark.parametrize("hurry_seconds", [0.0, 0.5])
def test_patience_ends_soon_when_the_process_must_stop(hurry_seconds: float, tmp_path: Path) -> None:
    hurry = threading.Event()
    hurry.set()
    store = SteadyStore(FailingStore(tmp_path, 1000), Patience(600, hurry, hurry_seconds))
    with pytest.raises(StoreUnavailable):
        store.put({"a": b""})
    assert (store.counts.retries > 0) == (hurry_seconds > 0)


def test_a_store_that_comes_back_in_time_does_not_cost_a_clean_stop(tmp_path: Path) -> None:
    hurry = threading.Event()
    hurry.set()
    store = SteadyStore(FailingStore(tmp_path, 1), Patience(600, hurry, 30))
    store.put({"a": b""})
    assert store.counts.retries == 1
