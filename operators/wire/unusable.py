"""How decode says, inside itself, that something cannot be used, and the checks every family shares."""

import msgspec
import xxhash

from schemas.items import RejectReason
from schemas.units import NS_PER_US, US_PER_MS

_TIME_MAX_MS = 7_258_118_400_000  # year 2200
DURATION_MAX_NS = 366 * 86_400 * 1_000_000_000  # no page is open longer: what claims to be is a broken clock
_DETAIL_MAX = 300  # characters: libraries quote what they refuse, whatever its size


class Unusable(Exception):
    """Bad input. Never leaves decode: it becomes a `Rejected` value there."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail[:_DETAIL_MAX]


class Limits(msgspec.Struct, frozen=True):
    """What one message may cost; over a limit is refused, never cut."""

    message_bytes: int = 8 << 20
    inflated_bytes: int = 32 << 20
    lines_per_message: int = 10_000
    id_length: int = 128  # characters
    line_bytes: int = 1 << 20  # one RUM line; SDKs stop at 256 KiB. It is taken apart when its window closes


def checked_id(name: str, value: str, limits: Limits) -> str:
    """An app or session id. Ids are data: any text is fine, if there is some and not too much of it."""
    if not value:
        raise Unusable(RejectReason.MISSING_ID, f"no {name}")
    if len(value) > limits.id_length:
        raise Unusable(RejectReason.ID_TOO_LONG, f"{name} has {len(value)} characters, the limit is {limits.id_length}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unusable(RejectReason.INVALID_FIELD, f"{name} is not Unicode text") from None
    return value


def checked_size(size: int, limits: Limits) -> None:
    """The size of one RUM line."""
    if size > limits.line_bytes:
        raise Unusable(RejectReason.TOO_LARGE, f"a line of {size} bytes, the limit is {limits.line_bytes}")


def is_time_ms(value_ms: float) -> bool:
    """Whether a number can be a time, epoch ms, also without its fraction. Comparing refuses NaN, infinities and
    integers no float can hold.
    """
    return 1 <= value_ms < _TIME_MAX_MS


def time_us(name: str, value_ms: float) -> int:
    """Epoch ms as the SDK sends it, in us."""
    if not is_time_ms(value_ms):
        raise Unusable(RejectReason.INVALID_TIME, f"{name} is {value_ms!r:.40}")
    whole_ms = int(value_ms)
    return whole_ms * US_PER_MS if value_ms == whole_ms else int(value_ms * US_PER_MS)


def duration_us(value_ns: float | None) -> int:
    """A duration in ns as the SDK sends it, in us; 0 for one that is missing or cannot be."""
    if value_ns is None or not 0 <= value_ns < DURATION_MAX_NS:
        return 0
    return int(value_ns) // NS_PER_US


def identity(kind: int, *parts: bytes | str) -> int:
    """64 bits that are equal for copies of one item and differ otherwise."""
    if len(parts) == 1 and isinstance(parts[0], str):  # the usual line has one id, and there are many lines
        digest = xxhash.xxh3_64_intdigest(f"{kind:c}{parts[0]}\0".encode("utf-8", "surrogatepass"))
    else:
        hasher = xxhash.xxh3_64(b"%c" % kind)
        for part in parts:  # one may be a whole segment, which is not copied
            hasher.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
            hasher.update(b"\0")
        digest = hasher.intdigest()
    return digest >> 1  # 63 bits: it also fits signed columns and structs


def json_refusal(error: Exception) -> Unusable:
    """What a failed JSON decode means."""
    if isinstance(error, msgspec.ValidationError):
        detail = str(error)
        missing = "missing required field" in detail
        if "`$.time`" in detail or "timestamp" in detail or "`$.date`" in detail:
            return Unusable(RejectReason.INVALID_TIME, detail)
        return Unusable(RejectReason.MISSING_ID if missing else RejectReason.INVALID_FIELD, detail)
    if isinstance(error, RecursionError):
        return Unusable(RejectReason.MALFORMED_JSON, "nested too deep")
    return Unusable(RejectReason.MALFORMED_JSON, str(error))


JSON_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
