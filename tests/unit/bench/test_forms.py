"""The same lines in every form: what is measured differs by how it is written, not by what it says."""

import msgspec
import pytest

from bench.forms import FORMS, JSON, LINE_KINDS, recorded
from bench.templates import Line
from bench.traffic import Load, traffic
from operators.decode import decode
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Kind
from tests.property import sdk_writer

LINE = Line("app", "session", "view", "line", "user", 1_795_000_000_123, 42)


def items(form: str) -> list[Item]:
    found = []
    for one in traffic(Load(sessions=8, lines_per_session=40, hours=1, form=form)):
        message = Message(one.type.decode(), one.headers, one.value, one.received_ms)
        of_one = [item for item in decode(message, Limits()) if isinstance(item, Item)]
        assert len(of_one) == one.lines <= FORMS[form].lines
        found += of_one
    return found


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_lines_of_the_same_visitors_at_the_same_times(form: str) -> None:
    def key(item: Item) -> tuple[str, str, int]:
        return item.app_id, item.session_id, item.begin_us // 1000

    assert sorted(map(key, items(form))) == sorted(map(key, items(JSON)))


def test_line_protocol_is_what_the_sdk_writes_of_the_json_lines() -> None:
    for kind in LINE_KINDS:
        for in_json, in_protocol in zip(
            *(recorded(form).templates[kind] for form in (JSON, "line protocol")), strict=True
        ):
            row = msgspec.json.decode(LINE.fill(in_json))
            sent = sdk_writer.row((row["measurement"], row["tags"], row["fields"], row["time"]))
            assert LINE.fill(in_protocol).decode() == sent


def test_an_sdk_without_resources_sends_actions_instead() -> None:
    templates = recorded("PostHog").templates
    assert templates[Kind.RESOURCE] == templates[Kind.ACTION]
