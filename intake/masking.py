"""Masking before Kafka: patterns over texts of lines and replays, and fields of lines by name.

Where no rule matches, the bytes stay exactly as they came. What is changed is written anew as JSON, and a segment as a
new zlib stream. Ids of sessions, views and the like are never touched: nothing would fit together without them.
"""

import gzip
import re
import zlib
from collections.abc import Iterable

import msgspec

from operators.families.registry import FAMILIES
from operators.wire.inflate import inflate
from operators.wire.json_text import tolerant
from operators.wire.unusable import JSON_ERRORS, Limits, Unusable
from schemas.items import Item, Kind

# Never changed: the envelope of a line or a message. So is every `..._id`.
ENVELOPE = frozenset(
    {
        *("id", "uuid", "app_id", "session_id", "view_id", "window_id"),
        *(name for family in FAMILIES for name in family.envelope_names),
    }
)
_CONTENT = frozenset(name for family in FAMILIES for name in family.content_names)
_GZIP_TEXT = "\x1f\x8b"  # PostHog puts gzip bytes into strings, one character a byte
_decode = tolerant(msgspec.json.Decoder())
_encode = msgspec.json.Encoder().encode


class Unmaskable(Exception):
    """The body cannot be read, so nobody can say that it is masked."""


class Masking:
    """The rules. `fields`: names or dotted ends of paths; their text is replaced, any other value becomes null."""

    def __init__(self, patterns: Iterable[str], fields: Iterable[str], replacement: str, limits: Limits) -> None:
        self.patterns = [re.compile(pattern) for pattern in patterns]
        self.fields = {f".{field}" for field in fields}
        self.last_names = {field.rpartition(".")[2] for field in self.fields}
        self.replacement = replacement
        self.limits = limits
        self.count = 0  # texts and values replaced so far

    def __bool__(self) -> bool:
        return bool(self.patterns or self.fields)

    def masked(self, item: Item) -> bytes:
        """The item's body to store: the same object where nothing matches. Raises Unmaskable."""
        is_packed = item.segment is not None and item.segment.encoding == "zlib"
        walk = _Walk(self)
        try:
            raw = inflate(item.body, self.limits.inflated_bytes) if is_packed else item.body
            clear = _decode(raw)
            found = walk.segment(clear) if item.kind == Kind.SEGMENT else walk.line(clear, "")
            if not walk.count:
                return item.body
            changed = _encode(found) + (b"\n" if raw.endswith(b"\n") else b"")
        except (*JSON_ERRORS, Unusable, OverflowError) as error:
            raise Unmaskable(str(error)) from error
        self.count += walk.count
        return zlib.compress(changed) if is_packed else changed


class _Walk:
    """One body on its way through the rules, and how much of it they changed."""

    def __init__(self, rules: Masking) -> None:
        self._rules = rules
        self.count = 0

    def line(self, value: object, path: str) -> object:
        """Every text outside the envelope."""
        if isinstance(value, str):
            name = path.rpartition(".")[2]
            return value if name in ENVELOPE or name.endswith("_id") else self._text(value)
        if isinstance(value, dict):
            return {name: self._member(name, inner, f"{path}.{name}") for name, inner in value.items()}
        if isinstance(value, list):
            return [self.line(inner, path) for inner in value]
        return value

    def segment(self, value: object) -> object:
        """Records are changed wherever they hold text; what stands around them, as a line."""
        if not isinstance(value, dict):
            raise Unmaskable("no JSON object")
        found = {}
        for name, inner in value.items():
            if name in _CONTENT:
                found[name] = self._record(inner)
            elif name == "properties" and isinstance(inner, dict):
                found[name] = self.segment(inner)
            else:
                found[name] = self._member(name, inner, f".{name}")
        return found

    def _member(self, name: str, value: object, path: str) -> object:
        rules = self._rules
        if name in rules.last_names and any(path.endswith(field) for field in rules.fields):
            self.count += value is not None
            return rules.replacement if isinstance(value, str) else None
        return self.line(value, path)

    def _record(self, value: object) -> object:
        if isinstance(value, str):
            return self._packed(value) if value.startswith(_GZIP_TEXT) else self._text(value)
        if isinstance(value, dict):
            return {name: self._record(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._record(inner) for inner in value]
        return value

    def _packed(self, text: str) -> str:
        before = self.count
        try:
            packed = text.encode("latin-1")
        except UnicodeEncodeError as error:
            raise Unmaskable("gzip in a text is damaged") from error
        clear = self._record(_decode(inflate(packed, self._rules.limits.inflated_bytes)))
        return text if self.count == before else gzip.compress(_encode(clear), mtime=0).decode("latin-1")

    def _text(self, text: str) -> str:
        for pattern in self._rules.patterns:
            text, count = pattern.subn(lambda _: self._rules.replacement, text)  # no template: `\1` stays as it is
            self.count += count
        return text
