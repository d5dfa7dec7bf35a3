"""What a recording tells beside its picture: entries that become rows where no line says the same.

A family's scan of a segment makes them at arrival. They are compact and bounded, and travel as one MessagePack text in
`SegmentScan.recorded`, so that they lie in packs and not in the state. docs/recorded.md says what becomes of each.
"""

import msgspec


class Page(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="page"):
    """An address was shown. The same one again is the same page, told once more, unless a `Load` came between."""

    at_us: int  # here and below: client clock, epoch us
    url: str
    width: int = 0  # of the viewport, pixels; 0: not known
    height: int = 0


class Load(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="load"):
    """A document was parsed: what is shown next is a new page, whatever its address."""

    at_us: int


class Click(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="click"):
    """A click or tap. `frustrations`: what the SDK itself says of it, where `is_judged`; else they are worked out."""

    at_us: int
    node: int = 0  # number of the element in the recording; 0: not known
    x: float | None = None  # in the viewport, pixels
    y: float | None = None
    name: str = ""  # of the element, for a person
    target: str = ""  # its selector
    frustrations: tuple[str, ...] = ()
    is_judged: bool = False


class Input(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="input"):
    """The value of a form field changed. Those in a row on one element are one action."""

    at_us: int
    node: int = 0
    name: str = ""
    target: str = ""


class Focus(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="focus"):
    """An element got the focus, which is what a click into a form field does."""

    at_us: int
    node: int


class Custom(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="custom"):
    """What the page reports by itself."""

    at_us: int
    name: str


class Console(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="console"):
    """A line of the browser's console. `level`: `debug`, `log`, `info`, `warn`, `error`, or as the SDK says."""

    at_us: int
    level: str
    message: str
    stack: str = ""
    is_cut: bool = False  # message or stack is longer than what is kept


class Request(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="request"):
    """A request or loaded file, as the browser's Performance API tells of it; never its headers or bodies."""

    at_us: int
    url: str
    initiator: str = ""  # `initiatorType`: fetch, xmlhttprequest, img, script, navigation, ...
    duration_ns: int | None = None
    method: str = ""
    status: int = 0  # 0: no answer, or not told
    transfer_bytes: int | None = None
    encoded_bytes: int | None = None
    decoded_bytes: int | None = None
    protocol: str = ""
    phases_ns: dict[str, int] = msgspec.field(default_factory=dict)  # by column of `resources`
    url_length: int = 0  # of an address that was cut: its length


class LongTask(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="task"):
    """A time in which the page could not react."""

    at_us: int
    duration_ns: int


class Vital(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="vital"):
    """A measurement of the page that is open: a column of `views` and its value in that column's unit."""

    at_us: int
    column: str
    value: int | float


Entry = Page | Load | Click | Input | Focus | Custom | Console | Request | LongTask | Vital


class Recorded(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """All entries of one segment, in the order of its records."""

    entries: list[Entry] = []
    reactions_ms: list[int] = []  # when the page changed: of every second the first and the last time
    omitted_count: int = 0  # entries over the bounds, or of a shape that says nothing


NOTHING = Recorded()
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Recorded)


def encode_recorded(recorded: Recorded) -> bytes:
    """Empty for nothing."""
    return b"" if recorded == NOTHING else _ENCODER.encode(recorded)


def decode_recorded(encoded: bytes) -> Recorded:
    return _DECODER.decode(encoded) if encoded else NOTHING
