"""Nodes of an rrweb tree as the player accepts them: names, attributes, style sheets."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin

from operators.rrweb.json_shape import list_or_empty, text_of
from operators.rrweb.track import JsonObject

DOCUMENT, DOCTYPE, ELEMENT, TEXT = 0, 1, 2, 3
MAX_TREE_DEPTH = 400  # pages have 20 to 60; JSON writers recurse twice per level, and Python stops them at 1000

FRAME_TAGS = frozenset({"iframe", "frame"})

_URL_ATTRIBUTES = frozenset({"action", "background", "data", "href", "poster", "src", "xlink:href"})
_SRCSET_URL = re.compile(r"(?:(?<=,\s)|(?<=,)|^)[^\s,]+")
_TAG_NAME = re.compile(r"[A-Za-z][\w.:-]*\Z")
_DOCTYPE_NAME = re.compile(r"[A-Za-z][\w.-]*\Z")
_SHADOW_HOSTS = frozenset(
    {"article", "aside", "blockquote", "body", "div", "footer", "header", "main", "nav", "p", "section", "span"}
    | {f"h{level}" for level in range(1, 7)}
)


def document(node_id: int) -> JsonObject:
    return {"type": DOCUMENT, "id": node_id, "childNodes": []}


def doctype(node_id: int, name: str, public_id: str, system_id: str) -> JsonObject:
    name = name if _DOCTYPE_NAME.match(name) else "html"
    return {"type": DOCTYPE, "id": node_id, "name": name, "publicId": public_id, "systemId": system_id}


def element(
    node_id: int, tag_name: str, attributes: Mapping[str, object], *, page_url: str, is_svg: bool
) -> JsonObject:
    """An element. A name no browser accepts would stop the player, so it becomes `unknown`."""
    tag_name = tag_name if _TAG_NAME.match(tag_name) else "unknown"
    node = {"type": ELEMENT, "id": node_id, "tagName": tag_name, "attributes": initial(tag_name, attributes, page_url)}
    node["childNodes"] = []
    if is_svg:
        node["isSVG"] = True
    return node


def text(node_id: int, content: str) -> JsonObject:
    return {"type": TEXT, "id": node_id, "textContent": content}


def may_host_shadow(tag_name: str) -> bool:
    """Whether browsers let this element have a shadow root; on others `attachShadow` throws."""
    return "-" in tag_name or tag_name in _SHADOW_HOSTS


def initial(tag_name: str, attributes: Mapping[str, object], page_url: str) -> JsonObject:
    """Attributes of a new element. An attribute that is false must be absent: `checked="false"` draws a tick."""
    kept = {name: value for name, value in attributes.items() if value is not False and _is_plain(value)}
    return dict(_at_home(tag_name, name, value, page_url) for name, value in kept.items())


def changed(tag_name: str, attributes: Mapping[str, object], page_url: str) -> JsonObject:
    """Attributes of a change: strings set, null removes; the player takes no other kind."""
    kept = {name: _changed(value) for name, value in attributes.items() if value is None or _is_plain(value)}
    return dict(_at_home(tag_name, name, value, page_url) for name, value in kept.items())


def _at_home(tag_name: str, name: str, value: object, page_url: str) -> tuple[str, object]:
    """An attribute as it must be away from its site: links in full, and no live page inside a frame."""
    if tag_name in FRAME_TAGS and name in ("src", "srcdoc"):
        return f"rr_{name}", value
    if isinstance(value, str):
        if name in _URL_ATTRIBUTES:
            return name, full_url(value, page_url)
        if name == "srcset" and "data:" not in value:  # which has commas of its own
            return name, _SRCSET_URL.sub(lambda match: full_url(match[0], page_url), value)
    return name, value


def full_url(url: str, page_url: str) -> str:
    """The URL with the page's in front where it is relative; references inside the page stay."""
    if not url or url.startswith("#"):
        return url
    try:
        return urljoin(page_url, url)
    except ValueError:
        return url


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _changed(value: object) -> str | None:
    if value is None or value is False:
        return None
    return "" if value is True else str(value)


def sheet_rules(sheet: JsonObject) -> list[str]:
    """The rules of a constructed style sheet `{cssRules, media?, disabled?}`, with its media query around them."""
    rules = [text_of(rule) for rule in list_or_empty(sheet.get("cssRules"))]
    return effective_rules(rules, [text_of(m) for m in list_or_empty(sheet.get("media"))], sheet.get("disabled"))


def effective_rules(rules: Sequence[str], media: Sequence[str], disabled: object) -> list[str]:
    if disabled is True:
        return []
    return [f"@media {', '.join(media)} {{ {' '.join(rules)} }}"] if media else list(rules)
