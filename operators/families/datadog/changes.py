"""Decoder of Datadog's Change encoding: records that build a page from tables instead of spelling it out.

A record's data is a list of changes `[kind, entry, entry, …]`, applied in order. Strings are numbers into a table that
grows by kinds 0 and 11; nodes and style sheets are numbered as they are added, nodes from 0. A full snapshot starts
all three anew. An added node says where it goes relative to its own number: null = the root, n > 0 = last child of
number - n, 0 = after the node added just before it, n < 0 = before number + n.

    0  string                                               11 [role, string …]        14 forget all strings
    1  [where, name, …]  element: [attribute, value] …; text: its content; doctype: name, public id, system id
    2  node              removed                            3  [node, [attribute, value?] …], no value = removed
    4  [node, text]      5  [node, width, height]           6  [node, left, top]
    7  [rule(s), [media …]?, disabled?] a style sheet       8  [node, sheet …] the sheets it has now
    9  [node, 0 playing | 1 paused]                         10 visual viewport
    12 [node, value]     13 [0 on | 1 off | 2 mixed, node …] 15 [node, resource] image content
"""

from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

from operators.families.datadog.change_page import CDATA, DOCTYPE, DOCUMENT, SHADOW_ROOT, TEXT, ChangeNode
from operators.families.datadog.change_writer import ChangeWriter
from operators.rrweb import node as rrweb_node
from operators.rrweb.json_shape import (
    ShapeError,
    Skip,
    integer_of,
    kind_name,
    list_of,
    list_or_empty,
    number_of,
    text_of,
)
from operators.rrweb.track import Event


class ChangeKind(IntEnum):
    """First number of a change; the table above says what follows it."""

    STRING = 0
    ADD_NODE = 1
    REMOVE_NODE = 2
    ATTRIBUTES = 3
    TEXT = 4
    SIZE = 5
    SCROLL = 6
    ADD_SHEET = 7
    ATTACH_SHEETS = 8
    PLAYBACK = 9
    VISUAL_VIEWPORT = 10
    STRINGS_OF_ROLE = 11
    VALUE = 12
    SELECTION = 13
    CLEAR_STRINGS = 14
    IMAGE_CONTENT = 15


_Entry = TypeVar("_Entry")

_CHECKED_VALUE = "on"  # what a check box sends when it has no value attribute


class ChangeDecoder:
    """Decodes the Change records of one view, in order."""

    def __init__(self, skipped: Counter[str]) -> None:
        self._skipped = skipped
        self._strings: list[str] = []
        self._nodes: list[ChangeNode] = []
        self._sheets: list[list[str]] = []
        self._page_url = ""
        self._writer = ChangeWriter()
        self._is_in_step = False
        self._handlers: dict[int, Callable[[object], None]] = {
            ChangeKind.STRING: self._add_string,
            ChangeKind.STRINGS_OF_ROLE: self._add_strings_of_role,
            ChangeKind.ADD_NODE: self._add_node,
            ChangeKind.REMOVE_NODE: self._remove,
            ChangeKind.ATTRIBUTES: self._set_attributes,
            ChangeKind.TEXT: self._set_text,
            ChangeKind.SIZE: self._set_size,
            ChangeKind.SCROLL: self._scroll,
            ChangeKind.ADD_SHEET: self._add_sheet,
            ChangeKind.ATTACH_SHEETS: self._attach_sheets,
            ChangeKind.PLAYBACK: self._play,
            ChangeKind.VALUE: self._set_value,
            ChangeKind.SELECTION: self._select,
        }

    def lose_context(self) -> None:
        """A segment is missing: numbers mean nothing until the next full snapshot."""
        self._is_in_step = False

    def snapshot(self, changes: object, timestamp: int, page_url: str) -> list[Event]:
        """Events of a full snapshot."""
        self._strings, self._nodes, self._sheets = [], [], []
        self._page_url = page_url
        self._apply(changes)
        if not self._nodes or self._nodes[0].name != DOCUMENT:
            self._is_in_step = False
            raise ShapeError
        return self._writer.full_snapshot(self._nodes[0], timestamp)

    def change(self, changes: object, timestamp: int) -> list[Event]:
        """Events of a change to the page."""
        if not self._is_in_step:
            raise ShapeError(Skip.LOST_CONTEXT)
        self._apply(changes)
        return self._writer.mutation(timestamp)

    def _apply(self, changes: object) -> None:
        """Apply a record. One that cannot be followed to its end leaves numbers nobody can trust."""
        self._writer = ChangeWriter()
        self._is_in_step = False
        for change in list_of(changes):
            kind, *entries = list_of(change) or [None]
            if kind == ChangeKind.CLEAR_STRINGS:
                self._strings.clear()
            for entry in entries:
                self._apply_entry(kind, entry)
        self._is_in_step = True

    def _apply_entry(self, kind: object, entry: object) -> None:
        handler = self._handlers.get(kind) if isinstance(kind, int) else None
        if handler is not None:
            handler(entry)
        elif kind == ChangeKind.IMAGE_CONTENT:
            self._skipped[Skip.IMAGE_CONTENT] += 1
        elif kind != ChangeKind.VISUAL_VIEWPORT:  # the player has no such thing
            self._skipped[kind_name("change_kind", kind)] += 1

    def _string(self, reference: object) -> str:
        if isinstance(reference, str):
            return reference
        return _entry_of(self._strings, reference)

    def _node(self, number: object) -> ChangeNode:
        return _entry_of(self._nodes, number)

    def _add_string(self, entry: object) -> None:
        self._strings.append(text_of(entry))

    def _add_strings_of_role(self, entry: object) -> None:
        _role, *strings = _fields(entry, 1)
        self._strings.extend(text_of(string) for string in strings)

    def _add_node(self, entry: object) -> None:
        where, name, *rest = _fields(entry, 2)
        node = ChangeNode(len(self._nodes), self._string(name), page_url=self._page_url)
        if node.is_element:
            for pair in rest:
                attribute, value = _fields(pair, 2)[:2]
                node.attributes[self._string(attribute)] = self._value(value)
        elif node.name in (TEXT, DOCTYPE):
            node.content = tuple(self._string(part) for part in rest)
            if len(node.content) != (1 if node.name == TEXT else 3):
                raise ShapeError
        elif node.name not in (DOCUMENT, CDATA, SHADOW_ROOT):
            raise ShapeError
        self._place(node, where)
        self._nodes.append(node)
        self._writer.added(node)

    def _value(self, value: object) -> object:
        return value if isinstance(value, bool) else self._string(value)

    def _place(self, node: ChangeNode, where: object) -> None:
        if where is None:
            if self._nodes:
                raise ShapeError
            node.is_attached = True
            return
        distance = integer_of(where)
        if distance > 0:
            self._node(node.node_id - distance).insert(node, None)
            return
        sibling = self._node(node.node_id + distance if distance else node.node_id - 1)
        if sibling.parent is None:
            raise ShapeError
        sibling.parent.insert(node, sibling if distance else sibling.next)

    def _remove(self, entry: object) -> None:
        node = self._node(entry)
        if node.is_attached:  # else it went with an ancestor
            self._writer.removed(node)
            node.detach()

    def _set_attributes(self, entry: object) -> None:
        number, *pairs = _fields(entry, 1)
        node = self._node(number)
        for pair in pairs:
            name, *values = _fields(pair, 1)
            self._writer.attribute(node, self._string(name), self._value(values[0]) if values else None)

    def _set_text(self, entry: object) -> None:
        number, text = _fields(entry, 2)
        node = self._node(number)
        if node.name != TEXT:
            raise ShapeError
        self._writer.text(node, self._string(text))

    def _set_size(self, entry: object) -> None:
        number, width, height = _fields(entry, 3)
        self._writer.size(self._node(number), number_of(width), number_of(height))

    def _scroll(self, entry: object) -> None:
        number, left, top = _fields(entry, 3)
        self._writer.scroll(self._node(number), number_of(left), number_of(top))

    def _add_sheet(self, entry: object) -> None:
        rules, media, disabled = (*_fields(entry, 1), None, None)[:3]
        texts = [self._string(rule) for rule in (rules if isinstance(rules, list) else [rules])]
        medias = [self._string(one) for one in list_or_empty(media)]
        self._sheets.append(rrweb_node.effective_rules(texts, medias, disabled))

    def _attach_sheets(self, entry: object) -> None:
        number, *sheets = _fields(entry, 1)
        self._writer.sheets(self._node(number), [(integer_of(one), _entry_of(self._sheets, one)) for one in sheets])

    def _play(self, entry: object) -> None:
        number, state = _fields(entry, 2)
        self._writer.media(self._node(number), is_playing=state == 0)

    def _set_value(self, entry: object) -> None:
        number, value = _fields(entry, 2)
        self._writer.input(self._node(number), self._string(value), is_checked=False)

    def _select(self, entry: object) -> None:
        state, *numbers = _fields(entry, 1)
        for node in map(self._node, numbers):
            if node.tag_name == "option":
                self._writer.attribute(node, "selected", "" if state == 0 else None)
            else:
                value = node.attributes.get("value", _CHECKED_VALUE)
                self._writer.input(node, str(value), is_checked=state == 0)


def _fields(entry: object, at_least: int) -> list[object]:
    fields = list_of(entry)
    if len(fields) < at_least:
        raise ShapeError
    return fields


def _entry_of(table: list[_Entry], number: object) -> _Entry:
    index = integer_of(number)
    if 0 <= index < len(table):
        return table[index]
    raise ShapeError
