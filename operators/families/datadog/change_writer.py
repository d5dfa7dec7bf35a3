"""What one Change record did to the page, written as rrweb events."""

from collections.abc import Iterator, Sequence

from operators.families.datadog.change_page import DOCUMENT, SHADOW_ROOT, ChangeNode, nested
from operators.rrweb import event as rrweb_event
from operators.rrweb import node as rrweb_node
from operators.rrweb.event import Source
from operators.rrweb.track import Event, JsonObject

NumberedSheet = tuple[int, list[str]]  # its number in the view, its rules


class ChangeWriter:
    """Applies the changes of one record to their nodes and keeps what rrweb must be told.

    What is known of a node when it is added becomes part of the node; later changes become changes.
    """

    def __init__(self) -> None:
        self._added: dict[int, ChangeNode] = {}
        self._removes: list[JsonObject] = []
        self._texts: dict[int, ChangeNode] = {}
        self._attributes: dict[int, tuple[ChangeNode, JsonObject]] = {}
        self._then: list[tuple[ChangeNode, JsonObject]] = []  # incremental data that follows the tree's change
        self._adopted: dict[int, tuple[ChangeNode, list[NumberedSheet]]] = {}

    def added(self, node: ChangeNode) -> None:
        self._added[node.node_id] = node

    def removed(self, node: ChangeNode) -> None:
        """Call before the node is detached."""
        if node.node_id in self._added or node.parent is None or node.name == SHADOW_ROOT:
            return
        remove: JsonObject = {"id": node.node_id, "parentId": node.parent.host().node_id}
        if node.is_in_shadow:
            remove["isShadow"] = True
        self._removes.append(remove)

    def attribute(self, node: ChangeNode, name: str, value: object) -> None:
        """Set an attribute, or remove it with None."""
        if value is None:
            node.attributes.pop(name, None)
        else:
            node.attributes[name] = value
        if node.node_id not in self._added:
            self._attributes.setdefault(node.node_id, (node, {}))[1][name] = value

    def text(self, node: ChangeNode, content: str) -> None:
        node.content = (content,)
        if node.node_id not in self._added:
            self._texts[node.node_id] = node

    def size(self, node: ChangeNode, width: float, height: float) -> None:
        """The size of a placeholder for hidden content; comes with the node."""
        node.attributes |= {"rr_width": f"{width}px", "rr_height": f"{height}px"}

    def scroll(self, node: ChangeNode, left: float, top: float) -> None:
        if (left or top) or node.node_id not in self._added:
            self._then.append((node, {"source": Source.SCROLL.value, "id": node.node_id, "x": left, "y": top}))

    def input(self, node: ChangeNode, value: str, *, is_checked: bool) -> None:
        data = {"source": Source.INPUT.value, "id": node.node_id, "text": value, "isChecked": is_checked}
        self._then.append((node, data))

    def media(self, node: ChangeNode, *, is_playing: bool) -> None:
        if node.node_id in self._added:
            node.attributes["rr_mediaState"] = "played" if is_playing else "paused"
        else:
            self._then.append(
                (node, {"source": Source.MEDIA_INTERACTION.value, "id": node.node_id, "type": 0 if is_playing else 1})
            )

    def sheets(self, node: ChangeNode, sheets: Sequence[NumberedSheet]) -> None:
        """The style sheets a node has from now on: of its own if it is an element, else constructed ones."""
        if node.is_element:
            self.attribute(node, "_cssText", "".join(rule for _, rules in sheets for rule in rules))
        else:
            self._adopted[node.node_id] = (node.host(), list(sheets))

    def full_snapshot(self, document: ChangeNode, timestamp: int) -> list[Event]:
        full = rrweb_event.full_snapshot(timestamp, nested(document), {"left": 0, "top": 0})
        return [full, *self._followers(timestamp)]

    def mutation(self, timestamp: int) -> list[Event]:
        data: JsonObject = {
            "source": Source.MUTATION.value,
            "removes": self._removes,
            "adds": list(self._adds()),
            "texts": [
                {"id": node.node_id, "value": node.content[0]} for node in self._texts.values() if node.is_attached
            ],
            "attributes": [
                {"id": node.node_id, "attributes": rrweb_node.changed(node.tag_name, attributes, node.page_url)}
                for node, attributes in self._attributes.values()
                if node.is_attached
            ],
        }
        has_content = any(data[name] for name in ("removes", "adds", "texts", "attributes"))
        mutation = [rrweb_event.incremental(timestamp, data)] if has_content else []
        return [*mutation, *self._followers(timestamp)]

    def _adds(self) -> Iterator[JsonObject]:
        """One add per new node: parents before children, a sibling's right neighbour before it."""
        written: set[int] = set()
        for node in self._added.values():  # numbered as they came, so a parent is before its children
            run = []
            right: ChangeNode | None = node
            while right is not None and self._is_new(right) and right.node_id not in written:
                run.append(right)
                written.add(right.node_id)
                right = right.next_drawn()
            for one in reversed(run):
                yield _add(one)

    def _is_new(self, node: ChangeNode) -> bool:
        return node.is_attached and node.node_id in self._added and node.name != SHADOW_ROOT

    def _followers(self, timestamp: int) -> Iterator[Event]:
        for host, sheets in self._adopted.values():
            if host.is_attached and (host.is_element or host.name == DOCUMENT):
                yield rrweb_event.adopt(timestamp, host.node_id, [(number + 1, rules) for number, rules in sheets])
        for node, data in self._then:
            if node.is_attached:
                yield rrweb_event.incremental(timestamp, data)


def _add(node: ChangeNode) -> JsonObject:
    right = node.next_drawn()
    parent_id = None if node.parent is None else node.parent.host().node_id
    return {"parentId": parent_id, "nextId": None if right is None else right.node_id, "node": node.bare()}
