"""What elements are called, from the snapshots and changes of a recording."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest

from operators.decode import decode
from operators.recorded.elements import WANTED_MAX, Element, Elements, brings_elements, elements_of
from operators.replay.records import Record
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item

AT_MS = 1_795_230_000_000
Node = dict[str, Any]


def tag(number: int, name: str, *children: Node, **attributes: Any) -> Node:
    named = {key.replace("_", "-").strip("-"): value for key, value in attributes.items()}
    return {"type": 2, "tagName": name, "attributes": named, "childNodes": children, "id": number}


def text(number: int, words: str) -> Node:
    return {"type": 3, "textContent": words, "id": number}


def snapshot(*nodes: Node, at_ms: int = 0) -> Record:
    data = {"node": {"type": 0, "childNodes": nodes, "id": 1}, "initialOffset": {"left": 0, "top": 0}}
    return Record(2, AT_MS + at_ms, msgspec.Raw(msgspec.json.encode(data)))


def added(*nodes: tuple[int, int | None, Node], at_ms: int = 0) -> Record:
    adds = [{"parentId": parent, "nextId": following, "node": node} for parent, following, node in nodes]
    data = {"source": 0, "texts": [], "attributes": [], "removes": [], "adds": adds}
    return Record(3, AT_MS + at_ms, msgspec.Raw(msgspec.json.encode(data)))


def item_of(*records: Record) -> Item:
    """A plain batch; only its body and that it tells something matter here."""
    sent = [{"type": 4, "timestamp": AT_MS, "data": {"href": "https://s.example/"}}]
    body = msgspec.json.encode({"session_id": "s", "window_id": "w", "events": sent})
    (item,) = decode(Message("rrweb", {}, body, AT_MS), Limits())
    assert isinstance(item, Item)
    return msgspec.structs.replace(item, body=b"".join(bytes(one.data) for one in records))


def read_from(records: Sequence[Record], wanted: Iterable[int]) -> Elements:
    """Each record in a batch of its own."""
    batches = {item_of(one): [one] for one in records}
    return elements_of(wanted, batches, batches.__getitem__)


def found(wanted: int, *records: Record, at_ms: int = 1_000) -> Element | None:
    return read_from(records, [wanted]).at(wanted, (AT_MS + at_ms) * 1000)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (tag(5, "button", text(6, " Pay \n now "), id="pay"), Element("Pay now", "button#pay", is_button=True)),
        (tag(5, "a", tag(7, "img", alt="Home"), class_="nav big"), Element("", "a.nav.big", is_button=True)),
        (tag(5, "img", alt="Home"), Element("Home", "img", is_button=False)),
        (tag(5, "div", text(6, "Open"), role="button"), Element("Open", "div", is_button=True)),
        (tag(5, "div", text(6, "Open"), role="note"), Element("Open", "div", is_button=False)),
        (tag(5, "input", type="submit", value="Send"), Element("Send", "input", is_button=True)),
        (tag(5, "input", type="text", value="secret", placeholder="Name"), Element("Name", "input", is_button=False)),
        (tag(5, "textarea", text(6, "secret")), Element("", "textarea", is_button=False)),
        (tag(5, "button", aria_label="Close", disabled=True), Element("Close", "button", is_button=True)),
    ],
    ids=["button", "link", "picture", "role", "no role", "submit", "field", "area", "label"],
)
def test_an_element_is_called_what_is_written_on_it(node: Node, expected: Element) -> None:
    assert found(5, snapshot(node)) == expected
    assert found(5, added((1, None, node))) == expected


def test_a_click_inside_a_button_is_one_on_the_button() -> None:
    button = tag(5, "button", tag(6, "span", tag(7, "svg")), text(8, "Save"), id="save")
    assert found(7, snapshot(tag(2, "div", button))) == Element("Save", "button#save", is_button=True)


def test_new_nodes_come_in_any_order_and_say_what_is_behind_them() -> None:
    record = added(
        *(
            (5, None, text(9, "c")),
            (1, None, tag(5, "button")),
            (5, 9, text(8, "b")),
            (5, 8, tag(7, "i", text(10, "a"))),
        )
    )
    assert found(7, record) == Element("a b c", "button", is_button=True)


def test_a_name_is_of_the_time_of_the_click() -> None:
    """A page that is loaded again gives its numbers anew, and a snapshot says what there is no more."""
    records = [
        snapshot(tag(5, "button", text(6, "old")), at_ms=0),
        snapshot(tag(5, "button", text(6, "new")), at_ms=2_000),
        snapshot(tag(4, "button", text(6, "5 is gone")), at_ms=4_000),
    ]
    assert [found(5, *records, at_ms=at_ms) for at_ms in (-1, 1_000, 3_000, 5_000)] == [
        None,
        Element("old", "button", is_button=True),
        Element("new", "button", is_button=True),
        None,
    ]


@pytest.mark.parametrize(
    "data",
    [b'"tagName"', b'{"node":{"tagName":5}}', b'{"node":' + b'{"tagName":"p","childNodes":[' * 9_000, b"{}"],
    ids=["compressed", "odd", "deep", "empty"],
)
def test_what_cannot_be_read_has_no_name(data: bytes) -> None:
    assert found(5, Record(2, AT_MS, msgspec.Raw(data))) is None


def test_a_long_text_is_cut_and_many_elements_are_enough() -> None:
    element = found(5, snapshot(tag(5, "button", text(6, "x" * 500))))
    assert element is not None
    assert (len(element.name), element.name[-1]) == (80, "…")
    numbers = range(10, 10 + WANTED_MAX + 5)
    page = snapshot(*(tag(number, "button", text(1, "b")) for number in numbers))
    elements = read_from([page], numbers)
    assert sum(elements.at(number, AT_MS * 1000) is not None for number in numbers) == WANTED_MAX


@pytest.mark.parametrize(("page", "brings"), [(text(5, "words"), False), (tag(5, "p"), True)], ids=["text", "element"])
def test_only_what_brings_elements_is_read(page: Node, *, brings: bool) -> None:
    item, asked = item_of(snapshot(page)), []

    def read(one: Item) -> list[Record]:
        asked.append(one)
        return []

    assert elements_of([5], [item], read).at(5, AT_MS * 1000) is None
    assert asked == [item] * brings
    assert brings_elements(item) is brings


def test_the_sdks_that_tell_nothing_are_not_read() -> None:
    item = item_of(snapshot(tag(5, "p")))
    assert item.scan is not None
    assert not brings_elements(msgspec.structs.replace(item, scan=msgspec.structs.replace(item.scan, recorded=b"")))
