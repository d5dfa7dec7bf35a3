"""The family of the Datadog browser SDK, as the rest of the house asks it."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from operators.families.browser_sdk import bodies as segment_bodies
from operators.families.browser_sdk.playback import views_of
from operators.families.browser_sdk.segments import describes_datadog, self_described
from operators.families.datadog.changes import ChangeDecoder
from operators.families.datadog.decode import decode_events, decode_segment, segment_ids
from operators.families.datadog.recording import RECORDING
from operators.families.datadog.rows import datadog_row, merged_view
from operators.families.family import Answer, Parameter, Result, Start
from operators.rows.values import LineRow
from operators.rows.views import ViewRules
from operators.rrweb.batch import Batch, ViewEvents
from operators.wire.form import form_parts
from operators.wire.message import Message, inflated
from operators.wire.unlabelled import Unlabelled
from operators.wire.unusable import Limits
from schemas.items import Item

_LINES, _SEGMENT = "datadog.rum", "datadog.replay"


class Datadog:
    """Events as NDJSON; segments of trees or changes, in a form with a part `event`."""

    number = RECORDING.number
    name = RECORDING.name
    kinds = frozenset({_LINES, _SEGMENT})
    form_kinds = frozenset({_SEGMENT})
    routes: Mapping[str, str] = {"/api/v2/rum": _LINES, "/api/v2/replay": _SEGMENT}
    path_parameter = "ddforward"

    def message_headers(self, kind: str, path: str, parameter: Parameter) -> Mapping[str, str]:
        return {}

    def only_session(self, message: Message, limits: Limits) -> tuple[str, str] | None:
        return None

    def form_ids(self, parts: Mapping[str, bytes]) -> tuple[str, str]:
        return segment_ids(parts.get("event", b""))

    def join(self, items: Sequence[Item], bodies: Sequence[bytes]) -> bytes:
        return b"\n".join(bodies)

    def part_headers(self, app_id: str) -> Mapping[str, bytes]:
        return {}

    def recognise(self, message: Unlabelled) -> str | None:
        if "event" in message.headers:
            return _SEGMENT
        if message.is_form:
            return _SEGMENT if "event" in message.parts else None
        if b'"records"' in message.start[:200] and message.is_zlib:
            return _SEGMENT if describes_datadog(message.message.value, message.limits) else None
        is_event = message.start.startswith((b"{", b"[")) and b'"application"' in message.body
        return _LINES if is_event and b'"date"' in message.body else None

    def decode(self, message: Message, limits: Limits) -> Iterable[Result]:
        if message.type == _LINES:
            return decode_events(inflated(message, limits), message.received_ms, limits)
        parts = form_parts(message)
        if "event" in parts:
            return (decode_segment(parts, message.received_ms, limits),)
        return (self_described(RECORDING, parts.get("segment", b""), message.received_ms, limits),)

    def line_row(self, body: bytes) -> LineRow:
        return datadog_row(body)

    def sdk(self, item: Item) -> str:
        return self.name

    views = ViewRules(in_parts=False, merged=merged_view)
    recording = RECORDING
    names_tabs = True  # since version 7

    def to_views(self, batches: Iterable[Batch]) -> list[ViewEvents]:
        return views_of(batches, ChangeDecoder)

    def taken(self, message: Message) -> Answer:
        return Answer(HTTPStatus.ACCEPTED, b"{}")

    def start_answer(self, path: str) -> Start | None:
        return None

    def refusal_status(self, status: HTTPStatus) -> HTTPStatus:
        return status

    def refusal_headers(self, status: HTTPStatus, wait_seconds: int) -> Mapping[str, str]:
        return {}

    places: Mapping[str, tuple[str, str]] = {
        "ip": ("session", "ip"),
        "country": ("geo", "country"),
        "country_iso_code": ("geo", "country_iso_code"),
        "province": ("geo", "country_subdivision"),
        "city": ("geo", "city"),
        "isp": ("geo", "isp"),
    }
    content_names = segment_bodies.CONTENT_NAMES
    envelope_names = frozenset({"type"})


DATADOG = Datadog()
