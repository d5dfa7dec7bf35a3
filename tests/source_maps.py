"""Source maps made for tests: where each position of a script is from."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
Mapping = tuple[int, int, int, int] | tuple[int, int, int, int, int]  # column, source, line, column [, name], from 0


def source_map(
    sources: dict[str, str | None], mappings: Iterable[Mapping], names: Sequence[str] = (), line: int = 1, **more: Any
) -> bytes:
    """A map of one line of a script. `sources`: their text by name, None: not in the map."""
    before = [0, 0, 0, 0, 0]
    segments = []
    for mapping in mappings:
        segments.append("".join(_vlq(value - before[place]) for place, value in enumerate(mapping)))
        before[: len(mapping)] = mapping
    content = {"version": 3, "sources": list(sources), "sourcesContent": list(sources.values()), "names": list(names)}
    return json.dumps(content | {"mappings": ";" * (line - 1) + ",".join(segments)} | more).encode()


def _vlq(value: int) -> str:
    left, text = (-value << 1) | 1 if value < 0 else value << 1, ""
    while True:
        left, digit = left >> 5, left & 31
        text += _DIGITS[digit | (32 if left else 0)]
        if not left:
            return text
