"""The last gate before the player: only events of a known shape that refer to nodes of the page as it is then.

The player writes a warning for every unknown node and waits half a second for an unknown sibling. Recordings have
such references wherever a batch was lost, so the page's node ids are followed here as the player will see them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection

from operators.rrweb.event import EventType, Source
from operators.rrweb.json_shape import (
    ShapeError,
    Skip,
    integer_of,
    kind_name,
    list_of,
    list_or_empty,
    number_of,
    object_of,
)
from operators.rrweb.node import DOCUMENT
from operators.rrweb.page_nodes import PageNodes, prune
from operators.rrweb.track import Event, JsonObject

_EVENT_TYPES = frozenset(EventType)
_SOURCES = frozenset(Source)
_MOUSE_INTERACTIONS = range(11)


class Playable:
    """Follows one track. Give it the track's events in playing order."""

    def __init__(self, skipped: Counter[str]) -> None:
        self._skipped = skipped
        self._page: PageNodes | None = None

    def leave_page(self) -> None:
        """A new view begins: without a snapshot of its own nothing can be said about its nodes."""
        self._page = None

    def admit(self, event: Event) -> Event | None:
        """The event as the player may have it, or None (counted)."""
        try:
            return self._admit(event)
        except ShapeError as fault:
            self._skipped[fault.reason] += 1
            return None

    def _admit(self, event: Event) -> Event:
        kind = event.get("type")
        if not isinstance(kind, int) or kind not in _EVENT_TYPES:
            raise ShapeError(kind_name("event_type", kind))
        if kind == EventType.FULL_SNAPSHOT:
            self._page = None
            root = object_of(object_of(event.get("data")).get("node"))
            self._count(Skip.TOO_DEEP, prune(root))
            self._page = PageNodes(root)
        elif kind == EventType.INCREMENTAL:
            return self._incremental(event, object_of(event.get("data")))
        elif kind == EventType.META:
            _numbers(object_of(event.get("data")), "width", "height")
        return event

    def _incremental(self, event: Event, data: JsonObject) -> Event:
        source = data.get("source")
        if not isinstance(source, int) or source not in _SOURCES:
            raise ShapeError(kind_name("source", source))
        if self._page is None:
            raise ShapeError(Skip.BEFORE_SNAPSHOT)
        if source == Source.MUTATION:
            return {**event, "data": self._mutation(data, self._page)}
        _check(source, data)
        return event

    def _mutation(self, data: JsonObject, page: PageNodes) -> JsonObject:
        removes = self._removes(self._sound(data.get("removes"), _check_id), page)
        adds = self._adds([self._shallow(add) for add in self._sound(data.get("adds"), _check_add)], page)
        gone = {one["id"] for one in removes}  # the player forgives changes of what it has just removed
        texts = self._known(self._sound(data.get("texts"), _check_id), page, gone)
        attributes = self._known(self._sound(data.get("attributes"), _check_attributes), page, gone)
        return {**data, "removes": removes, "adds": adds, "texts": texts, "attributes": attributes}

    def _sound(self, changes: object, check: Callable[[JsonObject], object]) -> list[JsonObject]:
        """The changes of a list that have their shape. Checked before any is applied, so that the page stays true."""
        kept = []
        for change in list_or_empty(changes):
            try:
                check(object_of(change))
            except ShapeError as fault:
                self._skipped[fault.reason] += 1
            else:
                kept.append(object_of(change))
        return kept

    def _known(self, changes: list[JsonObject], page: PageNodes, gone: Collection[int]) -> list[JsonObject]:
        kept = [one for one in changes if one["id"] in page or one["id"] in gone]
        self._count(Skip.DANGLING, len(changes) - len(kept))
        return kept

    def _count(self, reason: Skip, count: int) -> None:
        if count:
            self._skipped[reason] += count

    def _shallow(self, add: JsonObject) -> JsonObject:
        """The document of an iframe comes with its children, and can be as deep as a page."""
        if add["node"].get("type") == DOCUMENT:
            self._count(Skip.TOO_DEEP, prune(add["node"]))
        return add

    def _removes(self, removes: list[JsonObject], page: PageNodes) -> list[JsonObject]:
        known = [one for one in removes if page.parent_of(one["id"]) is not None]
        self._count(Skip.DANGLING, len(removes) - len(known))
        kept = []
        for one in known:
            parent_id = page.parent_of(one["id"])
            if parent_id is not None:  # else it went with an ancestor removed just before
                kept.append({**one, "parentId": parent_id})
                page.cut(one["id"])
        return kept

    def _adds(self, adds: list[JsonObject], page: PageNodes) -> list[JsonObject]:
        """The adds in an order in which parent and next sibling are always there already."""
        queue = _AddQueue(page)
        for add in adds:
            queue.place(add)
        queue.place_without_sibling()
        self._count(Skip.DANGLING, len(adds) - len(queue.placed))
        return queue.placed


class _AddQueue:
    """Places adds as soon as what they need is in the page."""

    def __init__(self, page: PageNodes) -> None:
        self.placed: list[JsonObject] = []
        self._page = page
        self._waiting: defaultdict[int, list[JsonObject]] = defaultdict(list)

    def place(self, add: JsonObject) -> None:
        ready = [add]
        while ready:
            add = ready.pop()
            needed = self._needed(add)
            if needed is not None:
                self._waiting[needed].append(add)
            elif self._put(add["node"], add["parentId"]):
                self.placed.append(add)
                ready.extend(reversed(self._waiting.pop(add["node"]["id"], [])))

    def place_without_sibling(self) -> None:
        """A sibling that never came: the end of its parent is the best place left."""
        for needed in list(self._waiting):
            for add in self._waiting.pop(needed, []):
                if needed == add["parentId"]:
                    self._waiting[needed].append(add)
                else:
                    self.place({**add, "nextId": None})

    def _needed(self, add: JsonObject) -> int | None:
        for needed in (add["parentId"], add.get("nextId")):
            if needed not in (None, -1) and needed not in self._page:
                return integer_of(needed)
        return None

    def _put(self, node: JsonObject, parent_id: int) -> bool:
        node_id: int = node["id"]
        if node_id in self._page and self._page.is_within(parent_id, node_id):
            return False  # below itself: the browser would refuse
        if node.get("type") == DOCUMENT:  # of an iframe: the only add that the player builds with its children
            self._page.plant(node, parent_id)
        else:
            self._page.put(node_id, parent_id)
        return True


def _check(source: int, data: JsonObject) -> None:
    """Raise unless the members the player uses without looking are there."""
    match source:
        case Source.MOUSE_MOVE | Source.TOUCH_MOVE | Source.DRAG:
            positions = list_of(data.get("positions"))
            for position in positions:
                _numbers(object_of(position), "x", "y", "id", "timeOffset")
            if not positions:
                raise ShapeError
        case Source.MOUSE_INTERACTION:
            if integer_of(data.get("type")) not in _MOUSE_INTERACTIONS:
                raise ShapeError(kind_name("interaction", data["type"]))
            _numbers(data, "id")
        case Source.SCROLL:
            _numbers(data, "id", "x", "y")
        case Source.VIEWPORT_RESIZE:
            _numbers(data, "width", "height")
        case Source.ADOPTED_STYLE_SHEET:
            list_of(data.get("styleIds"))
        case _:
            pass


def _check_id(change: JsonObject) -> None:
    integer_of(change.get("id"))


def _check_attributes(change: JsonObject) -> None:
    _check_id(change)
    object_of(change.get("attributes"))


def _check_add(add: JsonObject) -> None:
    integer_of(add.get("parentId"))
    _check_id(object_of(add.get("node")))
    if add.get("nextId") is not None:
        integer_of(add["nextId"])


def _numbers(data: JsonObject, *names: str) -> None:
    for name in names:
        number_of(data.get(name))
