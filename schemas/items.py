"""What travels through the flow: a decoded line or segment (`Item`), or a refusal (`Rejected`)."""

from enum import IntEnum, StrEnum

import msgspec


class Family(IntEnum):
    """Wire dialect an item came in. Record type numbers mean different things in each, so it is never dropped."""

    GUANCE = 0
    DATADOG = 1
    RRWEB = 2  # plain rrweb batches and PostHog messages
    SENTRY = 3


class Kind(IntEnum):
    """What an item is. The line kinds are the five RUM measurements and the console; each has a table of its own.

    A note has none: an event that only adds to what is known of its view or visitor, and is nothing the visitor did.
    """

    VIEW = 0
    ACTION = 1
    ERROR = 2
    RESOURCE = 3
    LONG_TASK = 4
    SEGMENT = 5
    NOTE = 6
    CONSOLE = 7


LINE_TABLE = {
    Kind.VIEW: "views",
    Kind.ACTION: "actions",
    Kind.ERROR: "errors",
    Kind.RESOURCE: "resources",
    Kind.LONG_TASK: "long_tasks",
    Kind.CONSOLE: "console",
}


LINE_KINDS = {table_kind.name.lower(): table_kind for table_kind in LINE_TABLE}  # by the name that SDKs give

_TIME_BYTES = 40  # a Python integer and its place in a tuple


class Client(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a request says of the browser that sent an item, in the words of the columns; empty where it does not."""

    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device: str = ""
    screen_size: str = ""
    is_bot: bool = False
    user_agent: str = ""  # the text itself, only where a setting says so


class Item(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One line or one replay segment, with just what the session rules need and its body unparsed.

    `begin_us`/`end_us`: client clock, epoch us; `end_us >= begin_us`. For a segment `end_us` is its own end.
    `ident`: 64-bit identity for removing duplicates (same kind, same identity = same item).
    `body`: a line as one JSON object in its family's own shape; a segment's uncompressed or compressed JSON
    (see `SegmentMeta.encoding`).
    """

    app_id: str
    session_id: str
    kind: int
    family: int
    begin_us: int
    end_us: int
    received_ms: int
    ident: int
    opens: bool  # may open the next window (rule 4)
    ends: bool  # end marker of the SDK: no activity itself (rule 6)
    body: bytes
    segment: "SegmentMeta | None" = None
    scan: "SegmentScan | None" = None  # with `segment`
    client: Client | None = None  # who sent it, where its request tells, or a User-Agent in its body

    @property
    def held_bytes(self) -> int:
        """What it takes in memory, about, beyond what every item does."""
        if self.scan is None:
            return len(self.body)
        times = len(self.scan.input_offsets_ms) + len(self.scan.snapshot_times_ms)
        return len(self.body) + len(self.scan.recorded) + _TIME_BYTES * times


COUNT_MAX = (1 << 31) - 1  # of segments or records: what sums them up has 64 bits
NOT_NUMBERED = -1  # of a segment whose SDK does not say its place in its view


class SegmentMeta(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Header of a replay segment, as the SDK states it beside the payload. Times: client clock, epoch ms."""

    view_id: str
    index_in_view: int  # from 0, or NOT_NUMBERED
    start_ms: int
    end_ms: int
    records_count: int
    has_full_snapshot: bool
    creation_reason: str
    raw_bytes: int  # of the inflated body
    encoding: str  # of Item.body: "zlib" or "identity"
    sdk_name: str
    sdk_version: str


class StyleMark(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A style sheet without its text, so that a long session does not hold thousands of copies of one.

    Every snapshot has it again, so it is known by XXH3-128; the SHA-256 of its name takes ten times as long.
    """

    length: int
    digest: bytes


class SegmentScan(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What was read from a segment's records, so that nobody has to read them again. Bounded, whatever they hold."""

    raw_digest: bytes  # XXH3-128 of the inflated JSON: tells copies from different segments whatever their compression
    line_bytes: int  # as a blob has it: with exactly one line end
    records_count: int
    snapshot_times_ms: tuple[int, ...]
    input_offsets_ms: tuple[int, ...]  # records made by the visitor's hand, since the segment's start
    url: str | None  # of the first Meta record
    styles: tuple[StyleMark, ...]  # of its full snapshots
    unusable_count: int = 0  # records without a kind or a time: they stay where they are, and nothing plays them
    recorded: bytes = b""  # `schemas.recorded.Recorded`, encoded: what may become rows


class RejectReason(StrEnum):
    """Why something was put into quarantine. A closed list: readers may switch on it."""

    UNKNOWN_TYPE = "unknown_type"  # neither the header nor the first bytes name a known payload
    EMPTY_BODY = "empty_body"
    TOO_LARGE = "message_too_large"
    UNKNOWN_ENCODING = "unknown_encoding"  # a content encoding that cannot be undone here
    CORRUPT_COMPRESSION = "corrupt_compression"  # cut off or damaged, or not what its content encoding says
    INFLATED_TOO_LARGE = "inflated_too_large"  # a decompression bomb, cut off at the limit
    MALFORMED_MULTIPART = "malformed_multipart"
    INVALID_UTF8 = "invalid_utf8"  # a row with a byte that is not UTF-8
    MALFORMED_JSON = "malformed_json"
    MALFORMED_LINE_PROTOCOL = "malformed_line_protocol"
    TOO_MANY_LINES = "too_many_lines"
    MISSING_ID = "missing_id"  # no session or app id
    ID_TOO_LONG = "id_too_long"
    INVALID_TIME = "invalid_time"  # a time of a line or segment that is text, negative, or beyond year 2200
    UNKNOWN_MEASUREMENT = "unknown_measurement"
    INVALID_FIELD = "invalid_field"  # a field the rules need has a wrong type
    REPLAY_TOO_LARGE = "replay_too_large"  # the window's replay passed its raw size limit
    DECODER_FAULT = "decoder_fault"  # none of its own: the decoder failed, which is a fault of this program to report


class Rejected(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Input that cannot be used: a value, not an exception. `raw` is the smallest part that is bad.

    `app_id`, `session_id`: whose it is, where that is known beside it; both or none.
    """

    reason: str
    detail: str
    raw: bytes
    app_id: str | None = None
    session_id: str | None = None


class SkipReason(StrEnum):
    """What is understood and has no place in the lake. A closed list, like that of refusals."""

    TELEMETRY = "telemetry"  # a Guance or Datadog SDK about its own use and configuration; needs no session
    HEATMAP = "heatmap"  # PostHog's positions of the pointer: its clicks are in `$autocapture` and in the recording
    NOT_RECORDED = "not_recorded"  # Sentry: an event or span of a visit without a replay, which is what a session is
    RELEASE_HEALTH = "release_health"  # Sentry's `session` items: a page load and its errors, by an id of their own
    OTHER_PRODUCT = "other_product"  # Sentry's monitors, profiles, attachments, metrics of old SDKs, user reports


class Skipped(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Input that is counted by its reason and not kept."""

    reason: str


class CloseReason(StrEnum):
    """Why a window ended."""

    INACTIVITY = "inactivity"
    MAX_DURATION = "max_duration"
    ENDED = "ended"
    DRAINED = "drained"
