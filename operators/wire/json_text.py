"""Reading JSON as browsers really write it, and arrays of it without holding more elements than are allowed."""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import TypeVar

import msgspec

from operators.wire.unusable import JSON_ERRORS, Unusable, json_refusal
from schemas.items import RejectReason

Decoded = TypeVar("Decoded")

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_TEXT = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'  # also a text that is cut: else each quote in it would begin one
_NOT_A_NUMBER = re.compile(rb"%b|-?(?:NaN|Infinity)" % _TEXT, re.DOTALL)
_BRACKETS_MAX = 2_000_000  # of a text that is cut: more is made to cost time, not by a browser
_PIECES_BRACKETS_MAX = 1_000_000  # looked at in a damaged array; what is behind them is one piece
_LEVELS_MAX = 100_000
_TOKEN = re.compile(rb"%b|[\[\]{}]" % _TEXT, re.DOTALL)
_TO_BRACKET = re.compile(rb'(?:[^\[\]{}"]++|%b)*+([\[\]{}]|\Z)' % _TEXT, re.DOTALL)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def tolerant(decoder: msgspec.json.Decoder[Decoded]) -> Callable[[bytes], Decoded]:
    """The decoder's `decode`, which also takes half of a surrogate pair: `JSON.stringify` writes one where a page cut
    a text in the middle of an emoji. It counts as U+FFFD.
    """
    strict = decoder.decode

    def decode(text: bytes) -> Decoded:
        try:
            return strict(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            whole = without_halves(text)
            if whole == text:
                raise
        return strict(whole)

    return decode


def without_halves(text: bytes) -> bytes:
    """JSON with U+FFFD for each half of a surrogate pair, of the same length."""
    if b"\0" in text or (b"\\ud" not in text and b"\\uD" not in text):
        return text
    single = text.replace(b"\\\\", b"\0\0")  # now every backslash left begins an escape
    return _HALF.sub(rb"\\ufffd", single).replace(b"\0\0", b"\\\\")


def without_nan(text: bytes) -> bytes:
    """JSON with null for NaN and Infinity, which are numbers in JavaScript and nothing in JSON."""
    if b"NaN" not in text and b"Infinity" not in text:
        return text
    return _NOT_A_NUMBER.sub(lambda found: found[0] if found[0].startswith(b'"') else b"null", text)


def with_numbers(text: bytes, read: Callable[[bytes], Decoded]) -> tuple[Decoded, bytes]:
    """What a reader makes of JSON, and the JSON: where it cannot be read, with null for what is no number."""
    try:
        return read(text), text
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        plain = without_nan(text)
        if plain == text:
            raise
    return read(plain), plain


def cut_deep(text: bytes, levels: int) -> bytes:
    """JSON in which the arrays below a number of levels are empty, for readers that call themselves at every level.

    Raises RecursionError for what is nested without end.
    """
    if text.count(b"[") + text.count(b"{") > _BRACKETS_MAX:
        raise RecursionError
    kept: list[bytes] = []
    level, cut_level, start = 0, 0, 0
    for found in _TOKEN.finditer(text):
        sign = found[0]
        if sign in (b"[", b"{"):
            level += 1
            if level > _LEVELS_MAX:
                raise RecursionError
            if not cut_level and level > levels and (sign == b"[" or level > levels + 2):
                kept.append(text[start : found.end()])
                cut_level = level
        elif sign in (b"]", b"}"):
            if level == cut_level:
                start, cut_level = found.start(), 0
            level -= 1
    kept.append(b"" if cut_level else text[start:])
    return b"".join(kept)


def array_elements(text: bytes, limit: int, depth: int = 0) -> list[bytes]:
    """The elements of a JSON array, unparsed; of a damaged one its pieces, so that the damage costs one of them.

    `depth`: of how many arrays it is an element, one in the other; the deeper, the less of a damaged one is looked at,
    so that all of them cost no more than a little beyond the first. Raises Unusable for more than `limit`, before they
    are held in memory.
    """
    try:
        if text.count(b",") < limit:
            return [bytes(element) for element in _list(text)]
        elements = msgspec.structs.astuple(_at_most(limit)(text))
    except JSON_ERRORS as error:
        if isinstance(error, msgspec.ValidationError) and "at most length" in str(error):
            raise _too_many(limit) from None
        if not text.lstrip().startswith(b"["):
            raise json_refusal(error) from None
        return _pieces(text, limit, _PIECES_BRACKETS_MAX >> 2 * depth)
    return [bytes(element) for element in elements if element is not None]


_list = tolerant(_LIST)


def _pieces(text: bytes, limit: int, brackets_max: int) -> list[bytes]:
    """What stands between the brackets of an array that is cut off or no JSON: its objects, and what else there is."""
    pieces: list[bytes] = []
    depth = end = 0
    for token in islice(_TO_BRACKET.finditer(text), brackets_max):
        if not token[1]:
            break
        if token[1] in b"{[":
            depth += 1
            if depth <= 2:
                pieces.append(text[end : token.end() - 1])
                end = token.end() - (depth == 2)
        else:
            depth -= 1
            if depth == 1:
                pieces.append(text[end : token.end()])
                end = token.end()
            elif depth == 0:
                break
        if len(pieces) > 2 * limit + 2:
            raise _too_many(limit)
    found = [piece for piece in [*pieces, text[end:]] if piece.strip(b", \t\r\n]")]
    if len(found) > limit:
        raise _too_many(limit)
    return found


def _too_many(limit: int) -> Unusable:
    return Unusable(RejectReason.TOO_MANY_LINES, f"more than {limit} lines in a message")


@lru_cache(4)
def _at_most(limit: int) -> Callable[[bytes], msgspec.Struct]:
    """Decodes an array as a struct of `limit` optional members: the only array that stops at its first one too many."""
    members = [(f"element_{number}", msgspec.Raw, msgspec.field(default=None)) for number in range(limit)]
    struct = msgspec.defstruct("Elements", members, array_like=True, forbid_unknown_fields=True, gc=False)
    return tolerant(msgspec.json.Decoder(struct))
