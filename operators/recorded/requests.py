"""Requests of a recording as rows of `resources`."""

import msgspec

from operators.recorded.browser_window import BrowserWindow, Seen
from operators.rows.urls import resource_url_columns
from operators.rows.values import Row, duration, nanoseconds
from schemas.recorded import Request
from schemas.units import US_PER_MS

_SAME_US = 5 * US_PER_MS  # posthog-js tells some twice, the start rounded another way
_TYPES = {"navigation": "document", "xmlhttprequest": "xhr", "fetch": "fetch", "beacon": "beacon"}
_IMAGES = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "avif"})
_TYPES_BY_END = {
    **dict.fromkeys(("js", "mjs"), "js"),
    "css": "css",
    **dict.fromkeys(_IMAGES, "image"),
    **dict.fromkeys(("woff", "woff2", "ttf", "otf", "eot"), "font"),
    **dict.fromkeys(("mp3", "mp4", "webm", "ogg", "wav", "m3u8"), "media"),
}
_TYPES_BY_ELEMENT = {
    "script": "js",
    "css": "css",
    "img": "image",
    "image": "image",
    "icon": "image",
    "video": "media",
    "audio": "media",
    "iframe": "document",
    "frame": "document",
}
_STATUS_MAX = 999


def requests_once(window: BrowserWindow) -> list[tuple[Request, Seen]]:
    """The requests of a browser window, in order; of one that was told more than once, what says most of it.

    Its name is that of what was told of it first, wherever it was told.
    """
    found: list[tuple[Request, Seen]] = []
    last: dict[tuple[str, str], int] = {}  # place of the newest request of an address and initiator
    for request, seen in window.of(Request):
        key = request.url, request.initiator
        place = last.get(key)
        if place is None or request.at_us - found[place][0].at_us > _SAME_US:
            last[key] = len(found)
            found.append((request, seen))
        elif _says(request) > _says(found[place][0]):
            found[place] = msgspec.structs.replace(request, at_us=found[place][0].at_us), found[place][1]
    return found


def request_row(request: Request) -> Row:
    """Its columns of `resources`."""
    row: Row = {"resource_url": request.url, **resource_url_columns(request.url)}
    row["resource_type"] = _type(request, str(row.get("resource_url_path", "")))
    if 0 < request.status <= _STATUS_MAX:
        row |= {"resource_status": str(request.status), "resource_status_group": f"{request.status // 100}xx"}
    texts = {"resource_method": request.method, "resource_protocol": request.protocol}
    row |= {column: text for column, text in texts.items() if text}
    sizes = {
        "resource_size": request.decoded_bytes,
        "resource_encode_size": request.encoded_bytes,
        "resource_decode_size": request.decoded_bytes,
        "resource_transfer_size": request.transfer_bytes,
    }
    durations = {"duration": request.duration_ns, **request.phases_ns}
    numbers = {
        **{column: duration(value) for column, value in sizes.items()},
        **{column: nanoseconds(value) for column, value in durations.items()},
    }
    row |= {column: value for column, value in numbers.items() if value is not None}
    if request.url_length:
        row["custom"] = {"url_length": str(request.url_length)}
    return row


def _says(request: Request) -> tuple[int, int]:
    """How much it says: the first telling of a document has no end yet."""
    return request.duration_ns or 0, request.decoded_bytes or 0


def _type(request: Request, path: str) -> str:
    """As the SDKs of this table say it: by what asked for it, else by the end of its path, else by the element."""
    asked = _TYPES.get(request.initiator)
    if asked is not None:
        return asked
    end = path.rpartition("/")[2].rpartition(".")[2].lower()
    return _TYPES_BY_END.get(end) or _TYPES_BY_ELEMENT.get(request.initiator, "other")
