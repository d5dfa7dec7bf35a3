"""Shared styles on their way into the lake: before what needs them, once for all, no obstacle to an erasure."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from lake.catalog import open_blob
from lake.verify import verify
from schemas.bundle import decode_bundle, encode_bundle
from schemas.erasure import Subject
from schemas.keys import REPLAYS, is_style, staging_key, style_key
from schemas.retention import HELD_DAYS
from sinks.lifecycle import overdue
from sinks.move import Mover
from sinks.store import LocalStore
from tests.flow.harness import capture_messages, run
from tests.flow.test_erase import ADA, erase
from tests.torture.compare import content


class Watched(LocalStore):
    """Remembers what was published, in order."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.published: list[str] = []

    def put(self, objects: Mapping[str, bytes]) -> None:
        super().put(objects)
        self.published += [key for key in objects if key.startswith(REPLAYS)]

    def create(self, objects: Mapping[str, bytes]) -> set[str]:
        self.published += [key for key in objects if key.startswith(REPLAYS)]
        return super().create(objects)


@pytest.fixture
def store(samples: Path, tmp_path: Path) -> Watched:
    """A lake of two apps' sessions on one day."""
    watched = Watched(tmp_path)
    for seq, capture in enumerate(("guance/gc-shop", "datadog/dd-shop")):
        run(capture_messages([samples / f"{capture}.jsonl.gz"]), [5, 10], tmp_path, store=watched, seq=1_000 * seq)
    return watched


def test_styles_are_published_before_the_blobs_that_need_them(store: Watched) -> None:
    blobs = [key for key in store.published if not is_style(key)]
    assert len(blobs) == 2
    for blob in blobs:
        needed = [style_key(blob, digest) for digest in open_blob(store, blob).styles]
        assert needed
        assert all(store.published.index(key) < store.published.index(blob) for key in needed)
    assert verify(store).problems == []


def test_a_writer_publishes_a_style_once(samples: Path, tmp_path: Path) -> None:
    store = Watched(tmp_path)
    captures = [samples / "guance" / f"{name}.jsonl.gz" for name in ("gc-shop", "gc-spa-json", "gc-cap4h", "gc-charts")]
    messages = capture_messages(captures)
    run(messages, range(1, len(messages)), tmp_path, store=store)
    styles = [key for key in store.published if is_style(key)]
    assert styles
    assert sorted(set(styles)) == sorted(styles)
    assert len([key for key in store.published if not is_style(key)]) > len(styles)


def test_erasing_everybody_leaves_only_styles(store: Watched) -> None:
    for one in list(store.list(REPLAYS)):
        if not is_style(one.key):
            index = open_blob(store, one.key).index
            assert erase(store, Subject(app_id=index.app_id, session_id=index.session_id)).failures == []
    assert {is_style(one.key) for one in store.list(REPLAYS)} == {True}
    assert verify(store).problems == []


def test_a_staged_style_does_not_stop_an_erasure(store: Watched) -> None:
    staged = staging_key("0000", 1, 0, "crashed")
    bundle = {key: store.read(key) for key in store.published}
    store.put({staged: encode_bundle(bundle)})
    assert erase(store, ADA).failures == []
    styles = {key for key in bundle if is_style(key)}
    assert decode_bundle(store.read(staged)).keys() == styles


def test_what_a_hold_copied_goes_with_it(store: Watched) -> None:
    """Beside it the shared styles stay where they are. Two blobs that share a style have a copy each."""
    before = content(store)
    Mover(store, lambda *_: (HELD_DAYS, HELD_DAYS), "hold").run()
    during = content(store)
    needed = {style_key(key, digest) for key in during.blobs for digest in open_blob(store, key).styles}
    assert len(needed) > len(before.styles)
    assert during.styles.keys() == before.styles.keys() | needed
    assert verify(store).problems == []
    Mover(store, lambda *_: (14, 14), "release").run()
    after = content(store)
    assert (after.tables, after.blobs, after.styles) == (before.tables, before.blobs, before.styles)
    assert verify(store).problems == []


def test_nothing_is_left_when_the_day_has_come(store: Watched) -> None:
    erase(store, ADA)
    assert any(is_style(one.key) for one in store.list(REPLAYS))
    store.delete([one.key for one, _ in overdue(store, date(2030, 1, 1))])
    assert list(store.list(REPLAYS)) == []
