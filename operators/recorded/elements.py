"""What the elements are called that somebody clicked or typed in: read from the snapshots and changes that hold them.

rrweb numbers the nodes of a page and repeats only the numbers. Snapshots and changes that bring elements are the only
records that are taken apart. What is written on an element is cut to a line; what somebody typed into a field is never
read.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from operators.replay.records import Record
from operators.rows.values import text_of_id
from operators.wire.json_text import tolerant
from operators.wire.unusable import JSON_ERRORS
from schemas.items import Item
from schemas.units import US_PER_MS

WANTED_MAX = 1_000  # different elements of one browser window; of more, some have no name
_NAME_MAX = 80  # characters
_TEXTS_MAX = 200  # pieces of text that are looked at for one name
_SNAPSHOT, _INCREMENTAL = 2, 3
_ELEMENT, _TEXT = 2, 3  # types of a node
_HAS_ELEMENT = b'"tagName"'
_MUTATION = re.compile(rb'\s*\{\s*"source"\s*:\s*0\b')
_BUTTONS = frozenset({"a", "button", "summary", "option"})
_BUTTON_INPUTS = frozenset({"button", "submit", "reset", "image", "checkbox", "radio"})
_ROLES = frozenset({"button", "link", "tab", "menuitem", "option", "checkbox", "radio", "switch"})
_FIELDS = frozenset({"input", "select", "textarea"})
_SAYING = ("aria-label", "title", "alt", "placeholder", "name")  # attributes that name an element, best first


RecordsOf = Callable[[Item], list[Record]]
"""Reads the records of a segment again; it could be read when it came."""


class Element(NamedTuple):
    """`name`: what is written on it, or empty. `is_button`: it is there to be pressed."""

    name: str
    target: str
    is_button: bool


class _Node(msgspec.Struct, gc=False):
    type: int = 0
    id: int = 0
    tag: str = msgspec.field(default="", name="tagName")
    text: str | None = msgspec.field(default=None, name="textContent")
    attributes: msgspec.Raw = msgspec.Raw(b"{}")
    children: list["_Node"] = msgspec.field(default_factory=list, name="childNodes")


class _Snapshot(msgspec.Struct, gc=False):
    node: _Node


class _Added(msgspec.Struct, gc=False):
    """A node and what is behind it: `following` is the number of its next sibling, null for the last."""

    node: _Node
    parent: int = msgspec.field(default=0, name="parentId")
    following: int | None = msgspec.field(default=None, name="nextId")


class _Mutation(msgspec.Struct, gc=False):
    adds: list[_Added] = []


class _Number(msgspec.Struct, gc=False):
    id: int = 0


class _AddedNumber(msgspec.Struct, gc=False):
    node: _Number


class _Numbers(msgspec.Struct, gc=False):
    """Of a change, only which nodes it brings: most bring none that is wanted, and the rest of them is skipped over."""

    adds: list[_AddedNumber] = []


_numbers = tolerant(msgspec.json.Decoder(_Numbers))
_snapshot = tolerant(msgspec.json.Decoder(_Snapshot))
_mutation = tolerant(msgspec.json.Decoder(_Mutation))
_attributes = tolerant(msgspec.json.Decoder(dict[str, msgspec.Raw]))
_value = tolerant(msgspec.json.Decoder(str | int | float | bool | None))


class Elements:
    """The wanted elements of a browser window, as they were at a moment."""

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[int, Element | None]]] = {}

    def at(self, node: int, at_us: int) -> Element | None:
        """None for one that nothing is known of."""
        known = self._known.get(node, [])
        place = bisect_right(known, at_us, key=lambda one: one[0])
        return known[place - 1][1] if place else None

    def add(self, at_us: int, node: int, element: Element | None) -> None:
        """What is known of a node from a moment on. Moments come in order."""
        self._known.setdefault(node, []).append((at_us, element))


def brings_elements(item: Item) -> bool:
    """Whether a segment can say what an element is called."""
    if item.segment is None or item.scan is None or not item.scan.recorded:
        return False
    return item.segment.encoding == "identity" and _HAS_ELEMENT in item.body


def elements_of(wanted: Iterable[int], items: Iterable[Item], records_of: RecordsOf) -> Elements:
    """`items`: segments in order of time."""
    found = Elements()
    numbers = frozenset(sorted({number for number in wanted if number > 0})[:WANTED_MAX])
    if not numbers:
        return found
    bringing = filter(brings_elements, items)
    told = [one for item in bringing for record in records_of(item) for one in _told(record, numbers)]
    for at_us, _, elements in sorted(told, key=lambda one: one[:2]):
        for node, element in elements.items():
            found.add(at_us, node, element)
    return found


def _told(record: Record, wanted: frozenset[int]) -> Iterator[tuple[int, int, dict[int, Element | None]]]:
    """Time, type and elements of a record; of a snapshot also those that are no more."""
    is_snapshot = record.type == _SNAPSHOT
    is_change = record.type == _INCREMENTAL and _MUTATION.match(record.data)
    if record.timestamp is None or not (is_snapshot or is_change) or _HAS_ELEMENT not in bytes(record.data):
        return
    try:
        elements = _of_snapshot(record.data, wanted) if is_snapshot else _of_change(record.data, wanted)
    except JSON_ERRORS:  # of another shape, compressed or nested too deeply: nothing has a name
        return
    yield int(record.timestamp * US_PER_MS), record.type, elements


def _of_snapshot(data: msgspec.Raw, wanted: frozenset[int]) -> dict[int, Element | None]:
    found: dict[int, Element | None] = dict.fromkeys(wanted)
    waiting: list[tuple[_Node, _Node | None]] = [(_snapshot(bytes(data)).node, None)]
    while waiting:
        node, above = waiting.pop()
        button = node if _is_button(node) else above
        if node.id in wanted:
            found[node.id] = _element(button or node)
        waiting.extend((child, button) for child in node.children)
    return found


def _of_change(data: msgspec.Raw, wanted: frozenset[int]) -> dict[int, Element | None]:
    """New nodes come one by one, each with the number of its parent, in any order."""
    text = bytes(data)
    if wanted.isdisjoint([one.node.id for one in _numbers(text).adds]):
        return {}
    added = {one.node.id: one for one in _mutation(text).adds}
    nodes = {number: one.node for number, one in added.items()}
    parents = {number: one.parent for number, one in added.items()}
    before = {(one.parent, one.following or 0): one for one in added.values() if one.following in nodes}
    for last in added.values():
        if last.parent in nodes and last.following not in nodes:
            nodes[last.parent].children.extend(_siblings(last, before))
    found: dict[int, Element | None] = {}
    for number in wanted & nodes.keys():
        found[number] = _element(_button_above(nodes[number], nodes, parents) or nodes[number])
    return found


def _siblings(last: _Added, before: Mapping[tuple[int, int], _Added]) -> list[_Node]:
    """A node and the new ones before it, in order."""
    found = [last]
    while len(found) <= len(before):
        previous = before.get((last.parent, found[-1].node.id))
        if previous is None:
            break
        found.append(previous)
    return [one.node for one in reversed(found)]


def _button_above(node: _Node, nodes: Mapping[int, _Node], parents: Mapping[int, int]) -> _Node | None:
    seen: set[int] = set()
    above: _Node | None = node
    while above is not None and above.id not in seen:
        if _is_button(above):
            return above
        seen.add(above.id)
        above = nodes.get(parents[above.id])
    return None


def _is_button(node: _Node) -> bool:
    if node.type != _ELEMENT:
        return False
    if node.tag in _BUTTONS:
        return True
    if node.tag != "input" and b'"role"' not in bytes(node.attributes):
        return False
    attributes = _texts(node.attributes)
    return attributes.get("role") in _ROLES or (node.tag == "input" and attributes.get("type") in _BUTTON_INPUTS)


def _element(node: _Node) -> Element:
    attributes = _texts(node.attributes)
    words = "" if node.tag in _FIELDS else " ".join(" ".join(_words(node)).split())
    if node.tag == "input" and attributes.get("type") in ("button", "submit", "reset"):
        words = attributes.get("value", "")
    name = words or next((attributes[one] for one in _SAYING if attributes.get(one)), "")
    return Element(_line(name), _selector(node.tag, attributes), _is_button(node))


def _words(node: _Node) -> Iterator[str]:
    """Texts below an element, in order."""
    waiting = [node]
    for _ in range(_TEXTS_MAX):
        if not waiting:
            return
        one = waiting.pop()
        if one.type == _TEXT and one.text:
            yield one.text
        waiting.extend(reversed(one.children[:_TEXTS_MAX]))


def _selector(tag: str, attributes: Mapping[str, str]) -> str:
    if attributes.get("id"):
        return _line(f"{tag}#{attributes['id']}")
    return _line(".".join([tag, *attributes.get("class", "").split()]))


def _line(text: str) -> str:
    return text if len(text) <= _NAME_MAX else f"{text[: _NAME_MAX - 1]}…"


def _texts(attributes: msgspec.Raw) -> dict[str, str]:
    try:
        found = _attributes(bytes(attributes))
        return {name: text_of_id(_value(bytes(found[name]))) for name in _READ & found.keys()}
    except JSON_ERRORS:
        return {}


_READ = frozenset({*_SAYING, "id", "class", "type", "role", "value"})
