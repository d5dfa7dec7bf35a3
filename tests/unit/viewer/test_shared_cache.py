"""Each thing is made once, however many want it, and what is kept has a size."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from viewer.shared_cache import SharedCache

LIMIT = 10


def cache() -> SharedCache[str, bytes]:
    return SharedCache[str, bytes](LIMIT, len)


def never() -> bytes:
    raise AssertionError("it was there")


def test_what_many_want_at_once_is_made_once() -> None:
    shared, many = cache(), 20
    arrived = threading.Semaphore(0)
    made: list[int] = []

    def make() -> bytes:
        for _ in range(many - 1):
            arrived.acquire()
        made.append(1)
        return b"x"

    def get(_: int) -> bytes:
        arrived.release()
        return shared.get("a", make)

    with ThreadPoolExecutor(many) as pool:
        assert set(pool.map(get, range(many))) == {b"x"}
    assert made == [1]
    assert (shared.made_count, shared.shared_count) == (1, many - 1)


def test_what_fails_fails_for_all_who_wait_and_is_made_anew_for_the_next() -> None:
    shared = cache()
    begun, go_on = threading.Event(), threading.Event()

    def fail() -> bytes:
        begun.set()
        go_on.wait()
        raise OSError("away")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.get, "a", fail)
        begun.wait()
        second = pool.submit(shared.get, "a", never)
        while shared.shared_count == 0:
            pass
        go_on.set()
        for one in (first, second):
            with pytest.raises(OSError, match="away"):
                one.result()
    assert shared.get("a", lambda: b"back") == b"back"


def test_the_one_used_longest_ago_goes_first() -> None:
    shared = cache()
    for name in "ab":
        shared.get(name, lambda: b"12345")
    assert shared.get("a", never) == b"12345"
    shared.get("c", lambda: b"1")
    assert shared.keys() == ["a", "c"]
    assert shared.size == 6


@pytest.mark.parametrize(("length", "kept"), [(LIMIT - 1, True), (LIMIT, True), (LIMIT + 1, False)])
def test_what_is_larger_than_the_limit_is_not_kept(length: int, *, kept: bool) -> None:
    shared = cache()
    shared.get("small", lambda: b"")
    shared.get("a", lambda: bytes(length))
    assert ("a" in shared.keys()) is kept  # noqa: SIM118 - a method of its own
    assert "small" in shared.keys()  # noqa: SIM118


def test_what_is_not_worth_it_is_not_kept() -> None:
    shared = cache()
    assert shared.get("a", lambda: b"part", lambda value: value == b"whole") == b"part"
    assert shared.keys() == []


def test_what_is_dropped_while_it_is_made_is_not_kept() -> None:
    shared = cache()

    def make() -> bytes:
        shared.drop(lambda key: key == "a")
        return b"x"

    assert shared.get("a", make) == b"x"
    shared.get("b", lambda: b"y")
    assert shared.keys() == ["b"]
    shared.drop(lambda _: True)
    assert shared.size == 0


def test_what_was_made_otherwise_is_kept_within_the_size_too() -> None:
    shared = cache()
    assert shared.kept("a") is None
    for key in "abc":
        shared.keep(key, b"12345")
    assert [shared.kept(key) for key in "abc"] == [None, b"12345", b"12345"]
    shared.keep("b", b"another")
    shared.keep("d", b"more than fits")
    assert (shared.get("b", never), shared.kept("d"), shared.size) == (b"12345", None, LIMIT)
