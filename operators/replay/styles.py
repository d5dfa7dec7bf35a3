"""Linked style sheets of full snapshots: what sessions of one site have in common, and which of it a blob shares.

Only sheets of `link` elements count: they are files of the site. What stands in a `style` element or attribute can be
made for one visitor, so it stays in the blob. A style is the sheet's text as the JSON has it, with its escapes, because
that is what the segments repeat. Why and how much it gains: docs/decisions/0006-shared-styles.md
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from xxhash import xxh3_128_digest

from operators.native import LEAF
from schemas.blob import STYLES_MAX
from schemas.items import StyleMark
from schemas.style import STYLES_BYTES_MAX
from schemas.units import KIB

STYLE_BYTES_MIN = 4 * KIB  # what is smaller gains less than an object of its own costs


class _Attributes(msgspec.Struct, frozen=True):
    css_text: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="_cssText")


class _Node(msgspec.Struct, gc=False):
    tag: str = msgspec.field(default="", name="tagName")
    attributes: _Attributes = _Attributes()
    children: "list[_Node]" = msgspec.field(default_factory=list, name="childNodes")


class _Page(msgspec.Struct):
    node: _Node


class _AddedNode(msgspec.Struct, array_like=True, gc=False):
    """Datadog 7: where it goes, then its name or the number of the string that is its name."""

    where: int | None
    name: msgspec.Raw


_PAGE = msgspec.json.Decoder(_Page)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ADDED_NODES = msgspec.json.Decoder(list[int | _AddedNode])  # after the kind of the change
_ATTACHED = msgspec.json.Decoder(list[int | list[int]])
_ROLES = msgspec.json.Decoder(list[int | list[msgspec.Raw]])
_BEGINS_LIST = re.compile(rb"\s*\[")
_NUMBER = re.compile(rb"\d{1,9}")
_KIND = re.compile(rb"\s*\[\s*(\d+)\s*[,\]]")


def mark(style: bytes | memoryview) -> StyleMark:
    return StyleMark(len(style), xxh3_128_digest(style))


def marks_of(data: bytes | msgspec.Raw) -> list[StyleMark]:
    """Those of `styles_of`. The compiled leaf reads trees."""
    if LEAF is not None:
        found = LEAF.module.link_styles(bytes(data), STYLE_BYTES_MIN, STYLES_BYTES_MAX)
        if found is not None:
            return [StyleMark(*one) for one in found]
    return list(map(mark, styles_of(data)))


def styles_of(data: bytes | msgspec.Raw) -> list[memoryview]:
    """The styles of a full snapshot, from its record's `data`, not copied: they are most of a snapshot.

    A snapshot of unknown shape has none.
    """
    if memoryview(data).nbytes < STYLE_BYTES_MIN:
        return []
    try:
        found = list(_of_changes(data) if _BEGINS_LIST.match(data) else _of_tree(data))
    except (msgspec.DecodeError, ValueError, RecursionError, IndexError):
        return []  # stored as it is; it only shares nothing
    return [style for style in found if STYLE_BYTES_MIN <= len(style) <= STYLES_BYTES_MAX]


def choose(marks: Iterable[StyleMark]) -> list[StyleMark]:
    """The styles a blob shares, smallest first: the largest come first until they are too many or too much."""
    chosen: list[StyleMark] = []
    room = STYLES_BYTES_MAX
    for one in sorted(set(marks), key=lambda one: (-one.length, one.digest)):
        if len(chosen) < STYLES_MAX and one.length <= room:
            chosen.append(one)
            room -= one.length
    return chosen[::-1]


def _of_tree(data: bytes | msgspec.Raw) -> Iterator[memoryview]:
    """Guance, Datadog before 7 and rrweb: the page as a tree of nodes."""
    left = [_PAGE.decode(data).node]
    while left:
        node = left.pop()
        if node.tag.lower() == "link":
            yield _unquoted(node.attributes.css_text)
        left.extend(node.children)


def _of_changes(data: bytes | msgspec.Raw) -> Iterator[memoryview]:
    """Datadog 7: a list of changes that fill tables."""
    tables = _Tables()
    for change in _LIST.decode(data):
        tables.apply(change)
    for sheet, node in sorted(tables.owners.items()):
        if bytes(_unquoted(_numbered(*tables.names[node]))).lower() == b"link":
            yield _unquoted(tables.sheets[sheet])


class _Tables:
    """Strings, names of nodes and sheets by number. The kinds of change are in a table in
    operators/families/datadog/changes.py.

    Each is a text as the JSON has it, quotes and all, and a name may be the number of a string: few are looked at.
    """

    def __init__(self) -> None:
        self.strings: list[msgspec.Raw] = []
        self.names: list[tuple[msgspec.Raw, list[msgspec.Raw]]] = []  # with the strings of its time
        self.sheets: list[msgspec.Raw] = []
        self.owners: dict[int, int] = {}  # sheet to the node it was attached to first

    def apply(self, change: msgspec.Raw) -> None:
        kind = _KIND.match(change)
        match int(kind[1]) if kind else None:
            case 0:  # strings
                self.strings += _LIST.decode(change)[1:]
            case 1:  # added nodes
                nodes = (node for node in _ADDED_NODES.decode(change) if isinstance(node, _AddedNode))
                self.names += [(node.name, self.strings) for node in nodes]
            case 7:  # added sheets: texts, or lists of rules, which are no styles
                self.sheets += [_numbered(_LIST.decode(sheet)[0], self.strings) for sheet in _LIST.decode(change)[1:]]
            case 8:  # a node and the sheets it has now
                attached = (entry for entry in _ATTACHED.decode(change) if isinstance(entry, list))
                for node, *sheets in attached:
                    for sheet in sheets:
                        self.owners.setdefault(sheet, node)
            case 11:  # strings of a role
                roles = (role for role in _ROLES.decode(change) if isinstance(role, list))
                self.strings += [one for role in roles for one in role[1:]]
            case 14:  # forget all strings
                self.strings = []
            case _:
                pass


def _numbered(text: msgspec.Raw, strings: Sequence[msgspec.Raw]) -> msgspec.Raw:
    """The text itself, or the string whose number it is."""
    number = _NUMBER.fullmatch(text)
    return strings[int(number[0])] if number else text


def _unquoted(text: msgspec.Raw) -> memoryview:
    """What is no string has no text."""
    view = memoryview(text)
    return view[1:-1] if view[0] == ord('"') else view[:0]
