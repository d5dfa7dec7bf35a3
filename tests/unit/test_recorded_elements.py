"""What elements are called, from the snapshots and changes of a recording."""

from typing import Any

import msgspec
import pytest

from operators.recorded.elements import WANTED_MAX, Element, elements_of
from operators.replay.records import Record

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


def found(wanted: int, *records: Record, at_ms: int = 1_000) -> Element | None:
    batches = [(bytes(one.data), lambda one=one: [one]) for one in records]
    return elements_of([wanted], batches).at(wanted, (AT_MS + at_ms) * 1000)


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
        snapshot(tag(4, "button", text(6, "5 is gone"), data='"id":5}'), at_ms=4_000),
    ]
    assert [found(5, *records, at_ms=at_ms) for at_ms in (-1, 1_000, 3_000, 5_000)] == [
        None,
        Element("old", "button", is_button=True),
        Element("new", "button", is_button=True),
        Element("new", "button", is_button=True),
    ]
    mentioned = snapshot(tag(50, "button"), at_ms=4_000), snapshot({"type": 9, "id": 5}, at_ms=4_500)
    assert found(5, records[0], *mentioned, at_ms=5_000) == Element("", "", is_button=False)


@pytest.mark.parametrize(
    "data",
    [b'"compressed \\"id\\":5"', b'{"node":{"id":"5","id":5}}', b'{"node":' + b'{"id":5,"childNodes":[' * 9_000, b"{}"],
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
    elements = elements_of(numbers, [(bytes(page.data), lambda: [page])])
    assert sum(elements.at(number, AT_MS * 1000) is not None for number in numbers) == WANTED_MAX


def test_only_what_mentions_a_wanted_element_is_read() -> None:
    page = snapshot(tag(51, "button"))

    def read() -> list[Record]:
        raise AssertionError("read")

    assert elements_of([5], [(bytes(page.data), read)]).at(5, AT_MS * 1000) is None
