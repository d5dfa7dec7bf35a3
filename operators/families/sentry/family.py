"""The family of Sentry's browser SDK, as the rest of the house asks it."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from operators.families.family import Answer, Parameter, Result, Start
from operators.families.sentry.decode import decode_envelope
from operators.families.sentry.envelope import answer_to
from operators.families.sentry.joined import joined
from operators.families.sentry.lines import VISITOR
from operators.families.sentry.playback import replay_views
from operators.families.sentry.recording import RECORDING
from operators.families.sentry.rows import sentry_row
from operators.rows.values import LineRow
from operators.rows.views import ViewRules
from operators.rrweb.batch import Batch, ViewEvents
from operators.wire.message import Message, inflated
from operators.wire.unlabelled import Unlabelled
from operators.wire.unusable import Limits
from schemas.items import Item

_KIND = "sentry"
_ENVELOPES = ("/api/*/envelope", "/tunnel")
_ITEM = b'{"type":"'  # how SDKs begin an item's header


class Sentry:
    """Envelopes of items; some items are lines, one is a segment."""

    number = RECORDING.number
    name = RECORDING.name
    kinds = frozenset({_KIND})
    form_kinds: frozenset[str] = frozenset()
    routes: Mapping[str, str] = dict.fromkeys(_ENVELOPES, _KIND)
    path_parameter = ""

    def message_headers(self, kind: str, path: str, parameter: Parameter) -> Mapping[str, str]:
        """The project; the header of a tunnelled envelope has it."""
        parts = path.split("/")
        return {"app_id": parts[-2]} if len(parts) > 2 else {}

    def only_session(self, message: Message, limits: Limits) -> tuple[str, str] | None:
        return None

    def form_ids(self, parts: Mapping[str, bytes]) -> tuple[str, str]:
        return "", ""

    def join(self, items: Sequence[Item], bodies: Sequence[bytes]) -> bytes:
        return joined(zip(items, bodies, strict=True))

    def part_headers(self, app_id: str) -> Mapping[str, bytes]:
        return {"app_id": app_id.encode()} if app_id else {}

    def recognise(self, message: Unlabelled) -> str | None:
        """JSON whose first line is a whole object, and the second begins with a `type`."""
        header, _, rest = message.start.partition(b"\n")
        return _KIND if header[:1] == b"{" and header.endswith(b"}") and rest.startswith(_ITEM) else None

    def decode(self, message: Message, limits: Limits) -> Iterable[Result]:
        app_id = message.headers.get("app_id", b"").decode(errors="replace")
        return decode_envelope(inflated(message, limits), app_id, message.received_ms, limits)

    def line_row(self, body: bytes) -> LineRow:
        return sentry_row(body)

    views = ViewRules(in_parts=False, are_sampled=True)  # tracing is drawn for each page load

    def sdk(self, item: Item) -> str:
        return self.name

    recording = RECORDING
    names_tabs = False  # a replay is of one tab

    def to_views(self, batches: Iterable[Batch]) -> list[ViewEvents]:
        return replay_views(batches)

    def taken(self, message: Message) -> Answer:
        """The id of what the envelope is about, where it has one."""
        return Answer(HTTPStatus.OK, answer_to(message.value))

    def start_answer(self, path: str) -> Start | None:
        return None

    def refusal_status(self, status: HTTPStatus) -> HTTPStatus:
        return status

    def refusal_headers(self, status: HTTPStatus, wait_seconds: int) -> Mapping[str, str]:
        """For how long it shall send nothing of any kind: `updateRateLimits`, utils/ratelimit.js."""
        is_rate = status == HTTPStatus.TOO_MANY_REQUESTS
        return {"x-sentry-rate-limits": f"{wait_seconds}::organization"} if is_rate else {}

    places: Mapping[str, tuple[str, str]] = {
        column: (VISITOR, column) for column in ("ip", "country", "country_iso_code", "province", "city", "isp")
    }
    content_names = frozenset({"events"})
    envelope_names = frozenset({"type", "replayId"})


SENTRY = Sentry()
