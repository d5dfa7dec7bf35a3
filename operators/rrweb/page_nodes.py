"""The node ids of one page as the player knows them: who is whose parent."""

from operators.rrweb.json_shape import integer_of, list_or_empty, object_of
from operators.rrweb.node import MAX_TREE_DEPTH
from operators.rrweb.track import JsonObject

_WALK_MAX = 4_096  # levels; changes can nest a page deeper than a snapshot may be


def prune(root: JsonObject) -> int:
    """Take away what lies deeper than a tree may be; how many children were taken from their parents."""
    pruned = 0
    level = [root]
    for depth in range(1, MAX_TREE_DEPTH + 1):
        below: list[JsonObject] = []
        for node in level:
            children = list_or_empty(node.get("childNodes"))
            if depth < MAX_TREE_DEPTH:
                below += map(object_of, children)
            elif children:
                pruned += len(children)
                node["childNodes"] = []
        level = below
    return pruned


class PageNodes:
    """Which ids exist and where, after a full snapshot and every change since."""

    def __init__(self, root: JsonObject) -> None:
        self._parent: dict[int, int | None] = {}
        self._children: dict[int, set[int]] = {}
        self.plant(root, None)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._parent

    def parent_of(self, node_id: int) -> int | None:
        """None for the root and for what is not in the page."""
        return self._parent.get(node_id)

    def plant(self, root: JsonObject, parent_id: int | None) -> None:
        """Take in a node with all below it."""
        todo = [(root, parent_id)]
        while todo:
            node, above = todo.pop()
            node_id = integer_of(node.get("id"))
            self.put(node_id, above)
            todo.extend((object_of(child), node_id) for child in list_or_empty(node.get("childNodes")))

    def put(self, node_id: int, parent_id: int | None) -> None:
        """Take in one node, or move one."""
        old_parent = self._parent.get(node_id)
        if old_parent is not None:
            self._children[old_parent].discard(node_id)
        self._parent[node_id] = parent_id
        self._children.setdefault(node_id, set())
        if parent_id is not None:
            self._children.setdefault(parent_id, set()).add(node_id)

    def cut(self, node_id: int) -> None:
        """Forget a node with all below it."""
        parent_id = self._parent.get(node_id)
        if parent_id is not None:
            self._children[parent_id].discard(node_id)
        todo = [node_id]
        while todo:
            gone = todo.pop()
            self._parent.pop(gone, None)
            todo.extend(self._children.pop(gone, ()))

    def is_within(self, node_id: int, ancestor_id: int) -> bool:
        """Whether a node is the other one or below it; what lies deeper than any page counts as below."""
        above: int | None = node_id
        for _ in range(_WALK_MAX):
            if above is None or above == ancestor_id:
                return above is not None
            above = self._parent.get(above)
        return True
