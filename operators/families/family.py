"""What the rest of the house asks a family of SDKs, and nobody compares: one Protocol, implemented in each folder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple, Protocol

from operators.replay.recording import Recording
from operators.rows.values import LineRow
from operators.rows.views import ViewRules
from operators.rrweb.batch import Batch, ViewEvents
from operators.wire.message import Message
from operators.wire.unlabelled import Unlabelled
from operators.wire.unusable import Limits
from schemas.items import Family as FamilyNumber
from schemas.items import Item, Rejected, Skipped

Result = Item | Rejected | Skipped
Parameter = Callable[[str], str]
"""The first value of a parameter of the query, by name; empty where there is none."""


class Answer(NamedTuple):
    """What a request is told. JSON, or nothing."""

    status: HTTPStatus
    body: bytes


class Start(NamedTuple):
    """What an SDK is told that asks before it records. `name`: of such requests, in metrics."""

    name: str
    body: bytes


class Family(Protocol):
    """A family of SDKs that speak one dialect. It has no state; of each there is one, in `registry.FAMILIES`.

    A kind is the type of a message, as its header `type` has it.
    """

    @property
    def number(self) -> FamilyNumber:
        """In packs and journals, for ever."""

    @property
    def name(self) -> str:
        """In blobs, in column `source` and in metrics, for ever: the number's own, in small letters."""

    @property
    def kinds(self) -> frozenset[str]:
        """All types of its messages."""

    @property
    def form_kinds(self) -> frozenset[str]:
        """Those that are one segment, with a form or headers that say whose it is."""

    # Requests

    @property
    def routes(self) -> Mapping[str, str]:
        """The kind of what is sent to a path, without a slash at its end. `*` in a path stands for one segment."""

    @property
    def path_parameter(self) -> str:
        """The parameter in which its SDK tells a proxy the path, and the query behind it; empty where it has none."""

    def message_headers(self, kind: str, path: str, parameter: Parameter) -> Mapping[str, str]:
        """What its requests say outside the body and the usual headers of how to read it; empty values do not count."""

    def only_session(self, message: Message, limits: Limits) -> tuple[str, str] | None:
        """App and session, where a quick look shows that a message is of one; None where it has to be decoded."""

    def form_ids(self, parts: Mapping[str, bytes]) -> tuple[str, str]:
        """App and session of a segment by its form or headers; empty where they do not say."""

    def join(self, items: Sequence[Item], bodies: Sequence[bytes]) -> bytes:
        """Items of one session as the value of one message. `bodies`: what to store of each, which may be masked."""

    def part_headers(self, app_id: str) -> Mapping[str, bytes]:
        """What such a message has to say beside its items."""

    # Decode

    def recognise(self, message: Unlabelled) -> str | None:
        """The kind of a message that names none, if it is of this family. Raises Unusable."""

    def decode(self, message: Message, limits: Limits) -> Iterable[Result]:
        """All that is in a message of one of `kinds`, lines and segments; its content encoding is undone already.

        Raises Unusable for the whole of it; what is bad in it is a `Rejected` with the smallest part that is.
        """

    # Rows

    def line_row(self, body: bytes) -> LineRow:
        """The row of a line: what its columns take, and `custom` with all else. Raises ValueError for anything else."""

    @property
    def views(self) -> ViewRules:
        """How the lines of a view become one row."""

    def sdk(self, item: Item) -> str:
        """Whose SDK an item is from, as column `sdk_family` has it: several SDKs may speak one dialect."""

    # Replay

    @property
    def recording(self) -> Recording:
        """How it records a page."""

    @property
    def names_tabs(self) -> bool:
        """Whether rows of its views say in which tab they were shown."""

    def to_views(self, batches: Iterable[Batch]) -> list[ViewEvents]:
        """The rrweb events of each view or window, by time; what cannot be one is counted. `batches`: in blob order."""

    # The intake

    def taken(self, message: Message) -> Answer:
        """What its own servers answer to what they have taken. `message`: as it came."""

    def start_answer(self, path: str) -> Start | None:
        """The JSON for what its SDK asks at a path before it records; None where it asks nothing."""

    def refusal_status(self, status: HTTPStatus) -> HTTPStatus:
        """The status by which its SDK understands what this one means: to send again, or never to."""

    def refusal_headers(self, status: HTTPStatus, wait_seconds: int) -> Mapping[str, str]:
        """What its SDK reads beside the status and `Retry-After`. Names in lower case."""

    @property
    def places(self) -> Mapping[str, tuple[str, str]]:
        """Where a line carries what the intake may add, by column: the object, and the name in it."""

    @property
    def content_names(self) -> frozenset[str]:
        """Members of a segment that hold a page's content, of any shape."""

    @property
    def envelope_names(self) -> frozenset[str]:
        """Members of a line that are never masked, beside every `..._id`: nothing would fit together without them."""
