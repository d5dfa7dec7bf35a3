"""PostHog's compressed events: `cv: "2024-10"` marks gzip bytes put in a string, one character per byte.

A full snapshot (type 2) has its whole `data` compressed; a mutation or style rule event (type 3) single lists of it.
"""

import zlib

from operators.rrweb.json_shape import ShapeError, Skip, parse
from operators.rrweb.track import Event

_VERSION = "2024-10"
_COMPRESSED_LISTS = ("adds", "removes", "texts", "attributes")
_GZIP = 16 + zlib.MAX_WBITS
_MAX_FIELD_BYTES = 32 << 20  # like a whole segment


class CvDecoder:
    """Decodes the events of one conversion; the budget keeps many small bombs from adding up."""

    def __init__(self, budget_bytes: int = 512 << 20) -> None:
        self._budget_bytes = budget_bytes

    def decode(self, event: Event) -> Event:
        """The event with everything in the clear; events without `cv` as they are."""
        if "cv" not in event:
            return event
        if event["cv"] != _VERSION:
            raise ShapeError("unknown_compression")
        clear = {name: value for name, value in event.items() if name != "cv"}
        data = clear.get("data")
        if isinstance(data, str):
            clear["data"] = self._inflate(data)
        elif isinstance(data, dict):
            clear["data"] = {
                name: self._inflate(value) if name in _COMPRESSED_LISTS and isinstance(value, str) else value
                for name, value in data.items()
            }
        return clear

    def _inflate(self, text: str) -> object:
        limit = min(_MAX_FIELD_BYTES, self._budget_bytes)
        stream = zlib.decompressobj(_GZIP)
        try:
            clear = stream.decompress(text.encode("latin-1"), limit + 1)
        except (UnicodeEncodeError, zlib.error) as error:
            raise ShapeError from error
        if len(clear) > limit:
            raise ShapeError(Skip.TOO_LARGE)
        if not stream.eof:
            raise ShapeError
        self._budget_bytes -= len(clear)
        return parse(clear)
