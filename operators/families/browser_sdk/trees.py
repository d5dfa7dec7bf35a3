"""Tree records of Guance and of Datadog up to 5, turned into rrweb's form.

They descend from rrweb but differ: added nodes come with their children inside, a shadow root is a node of its own
(type 11) under its host, unchecked boxes carry `checked: false`, and lists without entries may be missing.
"""

from collections.abc import Iterator
from itertools import count

from operators.rrweb import event as rrweb_event
from operators.rrweb import node as rrweb_node
from operators.rrweb.event import Source
from operators.rrweb.json_shape import (
    ShapeError,
    integer_of,
    kind_name,
    list_or_empty,
    object_of,
    text_of,
)
from operators.rrweb.track import Event, JsonObject

_FRAGMENT = 11


class TreeConverter:
    """Converts the tree records of one view, in order."""

    def __init__(self) -> None:
        self._shadow_host: dict[int, int] = {}  # shadow root's id → its host's
        self._adopted: list[tuple[int, list[list[str]]]] = []  # host id, sheets; of the record under way
        self._style_ids = count(1)
        self._page_url = ""
        self._frames: dict[int, str] = {}  # id → tag name, of the frames in the page

    def snapshot(self, data: JsonObject, timestamp: int, page_url: str) -> list[Event]:
        """Events of a full snapshot `{node, initialOffset}`."""
        self._page_url, self._shadow_host, self._frames = page_url, {}, {}
        root = object_of(data.get("node"))
        tree = self._bare(root)
        for parent, node in self._below(root, tree):
            parent["childNodes"].append(node)
        offset = data.get("initialOffset") or {"left": 0, "top": 0}
        full = rrweb_event.full_snapshot(timestamp, tree, object_of(offset))
        return [full, *self._take_adopted(timestamp)]

    def mutation(self, data: JsonObject, timestamp: int) -> list[Event]:
        """Events of a mutation: every node an add of its own, parents first."""
        changed = {
            "source": Source.MUTATION.value,
            "removes": [self._remove(object_of(one)) for one in list_or_empty(data.get("removes"))],
            "adds": [add for one in list_or_empty(data.get("adds")) for add in self._adds(object_of(one))],
            "texts": [_text(object_of(one)) for one in list_or_empty(data.get("texts"))],
            "attributes": [self._attributes(object_of(one)) for one in list_or_empty(data.get("attributes"))],
        }
        return [rrweb_event.incremental(timestamp, changed), *self._take_adopted(timestamp)]

    def _take_adopted(self, timestamp: int) -> list[Event]:
        adopted, self._adopted = self._adopted, []
        return [
            rrweb_event.adopt(timestamp, host_id, [(next(self._style_ids), rules) for rules in sheets])
            for host_id, sheets in adopted
        ]

    def _remove(self, one: JsonObject) -> JsonObject:
        node_id, parent_id = integer_of(one.get("id")), integer_of(one.get("parentId"))
        if parent_id in self._shadow_host:
            return {"id": node_id, "parentId": self._shadow_host[parent_id], "isShadow": True}
        return {"id": node_id, "parentId": parent_id}

    def _adds(self, one: JsonObject) -> Iterator[JsonObject]:
        node, parent_id = object_of(one.get("node")), integer_of(one.get("parentId"))
        is_shadow = parent_id in self._shadow_host
        parent_id = self._shadow_host.get(parent_id, parent_id)
        if node.get("type") == _FRAGMENT:  # a shadow root given to an element that is there already
            self._enter_shadow(node, parent_id)
            for child in list_or_empty(node.get("childNodes")):
                yield from self._add_tree(object_of(child), parent_id, None, is_shadow=True)
        else:
            yield from self._add_tree(node, parent_id, one.get("nextId"), is_shadow=is_shadow)

    def _add_tree(self, node: JsonObject, parent_id: int, next_id: object, *, is_shadow: bool) -> Iterator[JsonObject]:
        top = self._bare(node)
        if is_shadow:
            top["isShadow"] = True
        yield {"parentId": parent_id, "nextId": next_id, "node": top}
        for parent, below in self._below(node, top):
            yield {"parentId": parent["id"], "nextId": None, "node": below}

    def _below(self, root: JsonObject, converted: JsonObject) -> Iterator[tuple[JsonObject, JsonObject]]:
        """Every node below `root` with its parent, both converted; parents first, siblings in order."""
        todo = [(child, converted, False) for child in _children(root, converted)]
        while todo:
            child, parent, is_shadow = todo.pop()
            source = object_of(child)
            if source.get("type") == _FRAGMENT:
                within = rrweb_node.may_host_shadow(str(parent.get("tagName", "")))
                if within:
                    parent["isShadowHost"] = True
                    self._enter_shadow(source, parent["id"])
                todo.extend((one, parent, within) for one in _children(source, parent))
                continue
            node = self._bare(source)
            if is_shadow:
                node["isShadow"] = True
            yield parent, node
            todo.extend((one, node, False) for one in _children(source, node))

    def _enter_shadow(self, root: JsonObject, host_id: int) -> None:
        self._shadow_host[integer_of(root.get("id"))] = host_id
        self._note_sheets(root, host_id)

    def _note_sheets(self, node: JsonObject, host_id: int) -> None:
        sheets = [rrweb_node.sheet_rules(object_of(one)) for one in list_or_empty(node.get("adoptedStyleSheets"))]
        if sheets:
            self._adopted.append((host_id, sheets))

    def _bare(self, node: JsonObject) -> JsonObject:
        """The node without its children."""
        node_id = integer_of(node.get("id"))
        match node.get("type"):
            case 0:
                self._note_sheets(node, node_id)
                return rrweb_node.document(node_id)
            case 1:
                names = (text_of(node.get(name, "")) for name in ("name", "publicId", "systemId"))
                return rrweb_node.doctype(node_id, *names)
            case 2:
                return self._element(node, node_id)
            case 3 | 4:  # HTML documents cannot hold CDATA
                return rrweb_node.text(node_id, text_of(node.get("textContent", "")))
            case other:
                raise ShapeError(kind_name("node_type", other))

    def _element(self, node: JsonObject, node_id: int) -> JsonObject:
        tag_name, attributes = text_of(node.get("tagName")), object_of(node.get("attributes") or {})
        if tag_name in rrweb_node.FRAME_TAGS:
            self._frames[node_id] = tag_name
        is_svg = node.get("isSVG") is True
        return rrweb_node.element(node_id, tag_name, attributes, page_url=self._page_url, is_svg=is_svg)

    def _attributes(self, one: JsonObject) -> JsonObject:
        node_id, attributes = integer_of(one.get("id")), object_of(one.get("attributes"))
        tag_name = self._frames.get(node_id, "")
        return {"id": node_id, "attributes": rrweb_node.changed(tag_name, attributes, self._page_url)}


def _children(source: JsonObject, converted: JsonObject) -> list[object]:
    """Last first. A text or doctype has none, whatever a recording says."""
    return list_or_empty(source.get("childNodes"))[::-1] if "childNodes" in converted else []


def _text(one: JsonObject) -> JsonObject:
    value = one.get("value")
    return {"id": integer_of(one.get("id")), "value": "" if value is None else text_of(value)}
