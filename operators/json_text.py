"""Reading JSON as browsers really write it, and arrays of it without holding more elements than are allowed."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import msgspec

from operators.unusable import JSON_ERRORS, Unusable, json_refusal
from schemas.items import RejectReason

Decoded = TypeVar("Decoded")

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_NOT_A_NUMBER = re.compile(rb"%b|-?(?:NaN|Infinity)" % _TEXT, re.DOTALL)
_STRUCTURE = re.compile(rb"%b|[\[\]{}]" % _TEXT, re.DOTALL)
_BRACKETS_MAX = 2_000_000  # of a text that is cut: more is made to cost time, not by a browser
_LEVELS_MAX = 100_000
_IN_ARRAY = 2  # the level of what is in the outermost array
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


def cut_deep(text: bytes, levels: int) -> bytes:
    """JSON in which the arrays below a number of levels are empty, for readers that call themselves at every level.

    Raises RecursionError for what is nested without end.
    """
    if text.count(b"[") + text.count(b"{") > _BRACKETS_MAX:
        raise RecursionError
    kept: list[bytes] = []
    level, cut_level, start = 0, 0, 0
    for found in _STRUCTURE.finditer(text):
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


def array_elements(text: bytes, limit: int) -> list[bytes]:
    """The elements of a JSON array, unparsed. Raises Unusable, for more than `limit` before they are held in memory."""
    try:
        if text.count(b",") < limit:
            return [bytes(element) for element in _list(text)]
        elements = msgspec.structs.astuple(_at_most(limit)(text))
    except RecursionError:
        return _deep_elements(text, limit)
    except JSON_ERRORS as error:
        if isinstance(error, msgspec.ValidationError) and "at most length" in str(error):
            raise Unusable(RejectReason.TOO_MANY_LINES, f"more than {limit} lines in a message") from None
        raise json_refusal(error) from None
    return [bytes(element) for element in elements if element is not None]


def _deep_elements(text: bytes, limit: int) -> list[bytes]:
    """The elements of an array too deep for the decoder, found by its brackets. Raises Unusable."""
    found: list[bytes] = []
    between = [text]
    level = start = end = 0
    for part in _STRUCTURE.finditer(text) if text.count(b"[") + text.count(b"{") <= _BRACKETS_MAX else ():
        sign = part[0]
        if sign in (b"[", b"{"):
            level += 1
            if level == _IN_ARRAY:
                start = part.start()
                between.append(text[end:start])
        elif sign in (b"]", b"}"):
            if level == _IN_ARRAY:
                end = part.end()
                found.append(text[start:end])
            level -= 1
        if level > _LEVELS_MAX or len(found) > limit:
            break
    between[0] = text[end:]
    if level or b"".join(between).translate(None, b" \t\r\n,") != b"][" or len(found) > limit:
        raise Unusable(RejectReason.MALFORMED_JSON, "nested too deep")
    return found


_list = tolerant(_LIST)


@lru_cache(4)
def _at_most(limit: int) -> Callable[[bytes], msgspec.Struct]:
    """Decodes an array as a struct of `limit` optional members: the only array that stops at its first one too many."""
    members = [(f"element_{number}", msgspec.Raw, msgspec.field(default=None)) for number in range(limit)]
    struct = msgspec.defstruct("Elements", members, array_like=True, forbid_unknown_fields=True, gc=False)
    return tolerant(msgspec.json.Decoder(struct))
