"""The family of Guance and DataFlux, as the rest of the house asks it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from operators.families.browser_sdk import bodies as segment_bodies
from operators.families.browser_sdk.playback import views_of
from operators.families.browser_sdk.segments import describes_datadog, self_described
from operators.families.family import Answer, Parameter, Result, Start
from operators.families.guance.decode import decode_lines, decode_segment
from operators.families.guance.line_protocol import only_session
from operators.families.guance.recording import RECORDING
from operators.families.guance.rows import guance_row
from operators.rows.views import ViewRules
from operators.rrweb.batch import Batch, ViewEvents
from operators.wire.form import form_parts
from operators.wire.message import Message, inflated, without_coding
from operators.wire.unlabelled import Unlabelled
from operators.wire.unusable import Limits, Unusable
from schemas.items import Item

_LINES, _SEGMENT = "guance.rum", "guance.replay"
_PROTOCOL_LINE = re.compile(rb"[\r\n]*[a-z_]+[, ]")


class Guance:
    """Lines in line protocol or JSON; segments of trees, in a form."""

    number = RECORDING.number
    name = RECORDING.name
    kinds = frozenset({_LINES, _SEGMENT})
    form_kinds = frozenset({_SEGMENT})
    routes: Mapping[str, str] = {"/v1/write/rum": _LINES, "/v1/write/rum/replay": _SEGMENT}
    path_parameter = ""

    def message_headers(self, kind: str, path: str, parameter: Parameter) -> Mapping[str, str]:
        said = {"content-encoding": parameter("encoding")}
        precision = parameter("precision") if kind == _LINES else ""
        return said | {"precision": precision if precision != "ms" else ""}

    def only_session(self, message: Message, limits: Limits) -> tuple[str, str] | None:
        if message.type != _LINES:
            return None
        try:
            body = inflated(without_coding(message, limits), limits)
        except Unusable:
            return None
        return None if body.lstrip()[:1] in {b"{", b"["} else only_session(body)

    def form_ids(self, parts: Mapping[str, bytes]) -> tuple[str, str]:
        app_id, session_id = parts.get("app_id", b""), parts.get("session_id", b"")
        return app_id.decode(errors="replace"), session_id.decode(errors="replace")

    def join(self, items: Sequence[Item], bodies: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(bodies) + b"]"

    def part_headers(self, app_id: str) -> Mapping[str, bytes]:
        return {}

    def recognise(self, message: Unlabelled) -> str | None:
        """A form is Guance's unless it has Datadog's part `event`."""
        if "event" in message.headers:
            return None
        if "index_in_view" in message.headers:
            return _SEGMENT
        if message.is_form:
            return _SEGMENT if "event" not in message.parts else None
        if _PROTOCOL_LINE.match(message.start):
            return _LINES
        if b'"records"' in message.start[:200] and message.is_zlib:
            return _SEGMENT if not describes_datadog(message.message.value, message.limits) else None
        return _LINES if b'"measurement"' in message.body and b'"tags"' in message.body else None

    def decode(self, message: Message, limits: Limits) -> Iterable[Result]:
        if message.type == _LINES:
            precision = message.headers.get("precision")
            unit = "ms" if precision is None else precision.decode("latin-1")
            return decode_lines(inflated(message, limits), unit, message.received_ms, limits)
        parts = form_parts(message)
        if "session_id" in parts:
            return (decode_segment(parts, message.received_ms, limits),)
        return (self_described(RECORDING, parts.get("segment", b""), message.received_ms, limits),)

    line_row = staticmethod(guance_row)

    def sdk(self, item: Item) -> str:
        return self.name

    views = ViewRules(in_parts=False)
    recording = RECORDING
    names_tabs = False

    def to_views(self, batches: Iterable[Batch]) -> list[ViewEvents]:
        return views_of(batches, None)

    def taken(self, message: Message) -> Answer:
        return Answer(HTTPStatus.OK, b"")

    def start_answer(self, path: str) -> Start | None:
        return None

    def refusal_status(self, status: HTTPStatus) -> HTTPStatus:
        return status

    def refusal_headers(self, status: HTTPStatus, wait_seconds: int) -> Mapping[str, str]:
        return {}

    places: Mapping[str, tuple[str, str]] = {
        name: ("tags", name) for name in ("ip", "country", "country_iso_code", "province", "city", "isp")
    }
    content_names = segment_bodies.CONTENT_NAMES
    envelope_names = frozenset({"type", "measurement"})


GUANCE = Guance()
