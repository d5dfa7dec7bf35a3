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


def array_elements(text: bytes, limit: int) -> list[bytes]:
    """The elements of a JSON array, unparsed. Raises Unusable, for more than `limit` before they are held in memory."""
    try:
        if text.count(b",") < limit:
            return [bytes(element) for element in _list(text)]
        elements = msgspec.structs.astuple(_at_most(limit)(text))
    except JSON_ERRORS as error:
        if isinstance(error, msgspec.ValidationError) and "at most length" in str(error):
            raise Unusable(RejectReason.TOO_MANY_LINES, f"more than {limit} lines in a message") from None
        raise json_refusal(error) from None
    return [bytes(element) for element in elements if element is not None]


_list = tolerant(_LIST)


@lru_cache(4)
def _at_most(limit: int) -> Callable[[bytes], msgspec.Struct]:
    """Decodes an array as a struct of `limit` optional members: the only array that stops at its first one too many."""
    members = [(f"element_{number}", msgspec.Raw, msgspec.field(default=None)) for number in range(limit)]
    struct = msgspec.defstruct("Elements", members, array_like=True, forbid_unknown_fields=True, gc=False)
    return tolerant(msgspec.json.Decoder(struct))
