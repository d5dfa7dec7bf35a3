"""Masking: what matches is gone everywhere it may be, and where nothing matches no byte changes."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.captures import CaptureCounts, read_captures
from intake.masking import Masking, Unmaskable
from operators.decode import decode
from operators.wire.inflate import inflate
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Family, Item, Kind

LIMITS = Limits()
MAIL = r"[\w.+-]+@[\w-]+\.[\w.]+"


def masking(*patterns: str, fields: tuple[str, ...] = (), replacement: str = "***") -> Masking:
    return Masking(patterns, fields, replacement, LIMITS)


def guance(**fields: object) -> Item:
    tags = {"app_id": "shop", "session_id": "s@x.org", "view_id": "v@x.org", "user_email": "ann@example.org"}
    line = {"measurement": "action", "tags": tags, "fields": fields, "time": 1795229663252}
    [item] = decode(Message("guance.rum", {}, json.dumps(line).encode(), 1), LIMITS)
    assert isinstance(item, Item)
    return item


def test_a_pattern_replaces_every_match_in_every_text() -> None:
    item = guance(action_name="mail ann@example.org or bob@example.org", duration=5)
    rules = masking(MAIL)
    line = json.loads(rules.masked(item))
    assert line["fields"] == {"action_name": "mail *** or ***", "duration": 5}
    assert line["tags"]["user_email"] == "***"
    assert rules.count == 3


def test_ids_are_never_touched() -> None:
    tags = json.loads(masking(MAIL, ".+").masked(guance()))["tags"]
    assert (tags["app_id"], tags["session_id"], tags["view_id"]) == ("shop", "s@x.org", "v@x.org")


def test_a_field_is_replaced_by_name_or_by_the_end_of_its_path() -> None:
    item = guance(action_name="a", user_email="b", duration=5)
    by_name = json.loads(masking(fields=("user_email", "duration")).masked(item))
    assert (by_name["tags"]["user_email"], by_name["fields"]["user_email"], by_name["fields"]["duration"]) == (
        "***",
        "***",
        None,
    )
    by_path = json.loads(masking(fields=("fields.user_email",)).masked(item))
    assert (by_path["tags"]["user_email"], by_path["fields"]["user_email"]) == ("ann@example.org", "***")


def test_the_replacement_is_text_and_no_template() -> None:
    assert json.loads(masking("(a)", replacement=r"\1\g<0>").masked(guance(x="a")))["fields"]["x"] == r"\1\g<0>"


def test_half_of_an_emoji_is_no_obstacle() -> None:
    item = guance(x="PLACE ann@example.org")
    half = msgspec.structs.replace(item, body=item.body.replace(b"PLACE", b"\\ud83d"))
    assert b"@example" not in masking(MAIL).masked(half)


def test_where_no_rule_matches_no_byte_changes(recorded: list[Item]) -> None:
    """On every item of every recording; the test below shows that a rule that matches does change them."""
    rules = masking("will never be there", fields=("nor_this_name",))
    items = recorded
    assert {(item.family, item.kind == Kind.SEGMENT) for item in items} >= {
        (f, s) for f in Family for s in (False, True)
    }
    assert all(rules.masked(item) is item.body for item in items)


@pytest.mark.parametrize("family", Family)
def test_a_text_of_a_recorded_page_is_gone_from_the_replay(recorded: list[Item], family: Family) -> None:
    """It is in the records before, and after that in none, while all else of them is as it was."""
    word = "Corner" if family is Family.SENTRY else "Trail"
    items = [item for item in recorded if item.family == family and item.kind == Kind.SEGMENT]
    holding = [item for item in items if word in json.dumps(clear(item))]
    assert holding
    rules = masking(word, replacement="Trial")
    for item in holding:
        body = rules.masked(item)
        changed = msgspec.structs.replace(item, body=body)
        assert word not in json.dumps(clear(changed))
        assert json.loads(json.dumps(clear(item)).replace(word, "Trial")) == clear(changed)


def test_what_cannot_be_read_cannot_be_masked() -> None:
    item = guance()
    broken = msgspec.structs.replace(item, body=b'{"tags":')
    with pytest.raises(Unmaskable):
        masking(MAIL).masked(broken)


@pytest.fixture(scope="module")
def recorded(samples: Path) -> list[Item]:
    names = ("gc-shop", "dd-shop", "ph-shop", "rr-spa", "se-shop-v11")
    paths = [next(samples.glob(f"*/{name}.jsonl.gz")) for name in names]
    results = [r for captured in read_captures(paths, CaptureCounts()) for r in decode(captured.message, LIMITS)]
    return [result for result in results if isinstance(result, Item)]


def clear(item: Item) -> Any:
    """The segment as objects, with PostHog's compressed texts undone."""

    def undone(value: Any) -> Any:
        if isinstance(value, str) and value.startswith("\x1f\x8b"):
            return undone(json.loads(gzip.decompress(value.encode("latin-1"))))
        if isinstance(value, dict):
            return {name: undone(inner) for name, inner in value.items()}
        return [undone(inner) for inner in value] if isinstance(value, list) else value

    return undone(json.loads(inflate(item.body, LIMITS.inflated_bytes)))


def test_a_segment_that_was_masked_is_one_zlib_stream_that_ends_as_it_did(recorded: list[Item]) -> None:
    item = next(i for i in recorded if i.family == Family.GUANCE and i.kind == Kind.SEGMENT)
    body = masking("records|html", replacement="x").masked(item)
    assert zlib.decompress(body).endswith(b"\n") == zlib.decompress(item.body).endswith(b"\n")
