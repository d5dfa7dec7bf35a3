"""The page that Change records build: nodes linked to their siblings, with everything a player needs to draw them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from operators.rrweb import node as rrweb_node
from operators.rrweb.json_shape import ShapeError
from operators.rrweb.track import JsonObject

DOCUMENT, DOCTYPE, TEXT, CDATA, SHADOW_ROOT = "#document", "#doctype", "#text", "#cdata-section", "#shadow-root"
_SVG_PREFIX = "svg>"


@dataclass(slots=True, eq=False)
class ChangeNode:
    """One node. Siblings are linked, so that a long list costs the same per insertion wherever it happens."""

    node_id: int
    name: str  # `#…` for what is not an element; SVG elements begin with `svg>`
    attributes: dict[str, object] = field(default_factory=dict)
    content: tuple[str, ...] = ()  # a text's one string; a doctype's name, public and system id
    parent: "ChangeNode | None" = None
    previous: "ChangeNode | None" = None
    next: "ChangeNode | None" = None
    first: "ChangeNode | None" = None
    last: "ChangeNode | None" = None
    page_url: str = ""  # of the page it is in
    is_attached: bool = False

    @property
    def is_element(self) -> bool:
        return not self.name.startswith("#")

    @property
    def tag_name(self) -> str:
        return self.name.removeprefix(_SVG_PREFIX).lower()

    def children(self) -> Iterator["ChangeNode"]:
        child = self.first
        while child is not None:
            yield child
            child = child.next

    def insert(self, node: "ChangeNode", before: "ChangeNode | None") -> None:
        """Put a new node among the children, at the end if `before` is None."""
        node.parent, node.next = self, before
        node.previous = self.last if before is None else before.previous
        if node.previous is None:
            self.first = node
        else:
            node.previous.next = node
        if before is None:
            self.last = node
        else:
            before.previous = node
        node.is_attached = self.is_attached

    def detach(self) -> None:
        """Take the node out of the page; ids are never used again, so neither it nor what is below comes back."""
        if self.parent is None:
            raise ShapeError  # the document itself
        if self.previous is None:
            self.parent.first = self.next
        else:
            self.previous.next = self.next
        if self.next is None:
            self.parent.last = self.previous
        else:
            self.next.previous = self.previous
        self.parent = self.previous = self.next = None
        todo = [self]
        while todo:
            node = todo.pop()
            node.is_attached = False
            todo.extend(node.children())

    def host(self) -> "ChangeNode":
        """Where rrweb sees this node's children: a shadow root is no node there, its host is."""
        return self.parent if self.name == SHADOW_ROOT and self.parent is not None else self

    @property
    def is_in_shadow(self) -> bool:
        """Whether rrweb must look for this node in its parent's shadow tree."""
        root = self.parent
        return root is not None and root is not root.host() and rrweb_node.may_host_shadow(root.host().tag_name)

    def next_drawn(self) -> "ChangeNode | None":
        """The next sibling that is a node in rrweb too."""
        sibling = self.next
        while sibling is not None and sibling.name == SHADOW_ROOT:
            sibling = sibling.next
        return sibling

    def bare(self) -> JsonObject:
        """The rrweb node without its children."""
        node = self._bare()
        if self.is_in_shadow:
            node["isShadow"] = True
        if any(child.name == SHADOW_ROOT for child in self.children()) and rrweb_node.may_host_shadow(self.tag_name):
            node["isShadowHost"] = True
        return node

    def _bare(self) -> JsonObject:
        match self.name:
            case "#document":
                return rrweb_node.document(self.node_id)
            case "#doctype":
                name, public_id, system_id = self.content
                return rrweb_node.doctype(self.node_id, name, public_id, system_id)
            case "#text":
                return rrweb_node.text(self.node_id, self.content[0])
            case "#cdata-section":  # HTML documents cannot hold it
                return rrweb_node.text(self.node_id, "")
            case name:
                is_svg = name.startswith(_SVG_PREFIX)
                return rrweb_node.element(
                    self.node_id, self.tag_name, self.attributes, page_url=self.page_url, is_svg=is_svg
                )


def nested(root: ChangeNode) -> JsonObject:
    """The whole tree below a node in rrweb's nested form."""
    top = root.bare()
    todo = [(root, top)]
    while todo:
        node, drawn = todo.pop()
        for child in node.children():
            if child.name == SHADOW_ROOT:
                todo.append((child, drawn))
                continue
            below = child.bare()
            drawn["childNodes"].append(below)
            todo.append((child, below))
    return top
