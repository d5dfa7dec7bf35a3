"""Which errors are the same one: a fingerprint of type, message and the top of the stack, without what varies.

The rules are described in docs/signals.md. A change of them changes every fingerprint, so it needs a changelog line.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from xxhash import xxh3_64_hexdigest

FRAMES = 3  # of the stack, from where it was thrown
_MESSAGE_MAX = 500  # characters that are looked at: a message can hold a whole document
_LINE_MAX = 500
_LINES_MAX = 20
_CACHED = 1024

# An address is reduced to its path: host, query, fragment, line and column differ between two runs of the same code.
_ADDRESS = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]{1,15}://[^/?#\s"']*([^?#\s"':)]*)[^\s"')]*""")
_MAIL = re.compile(r"[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MIXED = re.compile(r"\b[A-Za-z_]*[0-9]+[A-Za-z_]+[0-9][A-Za-z0-9_]*")  # digits on both sides of letters: a hash, an id
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_SPACE = re.compile(r"\s+")
_BUNDLE_HASH = re.compile(r"[.-][A-Za-z0-9_]{8,}(\.[a-z]{2,4})\Z")  # `main.4f3a9c21.js`, `index-DQXwYzAb.js`
_ALIAS = re.compile(r" \[as [^\]]*\]")
# `at name @ file:1:2` (Guance, Datadog), `at name (file:1:2)`, `at file:1:2` (Chrome); `name@file:1:2` (Firefox)
_FRAME = re.compile(r"\s*at (?:(.*?) ?[@(] ?)?(\S+?)(?::[0-9]+){0,2}\)?\s*\Z")
_FRAME_FIREFOX = re.compile(r"\s*([^@\s]*)@(\S+?)(?::[0-9]+){0,2}\s*\Z")
_NAMELESS = {"", "?", "<anonymous>", "Object.<anonymous>", "anonymous"}


def fingerprint(error_type: object, message: object, stack: object) -> str:
    """16 hexadecimal digits, equal for errors of one group. Anything but text counts as missing."""
    return _fingerprint(*(value if isinstance(value, str) else "" for value in (error_type, message, stack)))


def group_text(error_type: str, message: str, stack: str) -> str:
    """What the fingerprint is made of: type, message, then a line a frame."""
    return "\n".join([error_type, _plain_message(message), *islice(_frames(stack), FRAMES)])


@lru_cache(_CACHED)
def _fingerprint(error_type: str, message: str, stack: str) -> str:
    return xxh3_64_hexdigest(group_text(error_type, message, stack).encode("utf-8", "surrogatepass"))


def _plain_message(message: str) -> str:
    text = _MAIL.sub("@", _ADDRESS.sub(r"\1", message[:_MESSAGE_MAX]))
    return _SPACE.sub(" ", _without_ids(text)).strip()


def _without_ids(text: str) -> str:
    return _NUMBER.sub("#", _MIXED.sub("#", _UUID.sub("#", text)))


def _frames(stack: str) -> Iterator[str]:
    for line in stack.split("\n", _LINES_MAX)[:_LINES_MAX]:
        if len(line) <= _LINE_MAX and (found := _FRAME.match(line) or _FRAME_FIREFOX.match(line)):
            yield f"{_name(found[1] or '')} {_file(found[2])}"


def _name(name: str) -> str:
    name = _ALIAS.sub("", name).removeprefix("async ").strip()
    return "?" if name in _NAMELESS else _without_ids(name)


def _file(address: str) -> str:
    return _without_ids(_BUNDLE_HASH.sub(r"#\1", _ADDRESS.sub(r"\1", address)))
