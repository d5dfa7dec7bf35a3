"""The family of PostHog and of plain rrweb, as the rest of the house asks it. Its name in data is `rrweb`."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from operators.families.family import Answer, Parameter, Result, Start
from operators.families.posthog.bodies import CONTENT_NAMES
from operators.families.posthog.cv import CvDecoder
from operators.families.posthog.decode import decode_messages
from operators.families.posthog.entries import sdk_of
from operators.families.posthog.recording import RECORDING
from operators.families.posthog.rows import posthog_row
from operators.families.posthog.start import start_answer
from operators.rows.values import LineRow
from operators.rows.views import ViewRules
from operators.rrweb.batch import Batch, ViewEvents
from operators.rrweb.windows import window_views
from operators.wire.message import Message, inflated
from operators.wire.unlabelled import Unlabelled
from operators.wire.unusable import Limits
from schemas.items import Item

_KIND = "rrweb"
_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class PostHog:
    """JSON messages, one or many, whose events are lines or hold rrweb's."""

    number = RECORDING.number
    name = RECORDING.name
    kinds = frozenset({_KIND})
    form_kinds: frozenset[str] = frozenset()
    routes: Mapping[str, str] = dict.fromkeys(("/s", "/e", "/i/v0/e", "/batch"), _KIND)
    path_parameter = ""

    def message_headers(self, kind: str, path: str, parameter: Parameter) -> Mapping[str, str]:
        return {}

    def only_session(self, message: Message, limits: Limits) -> tuple[str, str] | None:
        return None

    def form_ids(self, parts: Mapping[str, bytes]) -> tuple[str, str]:
        return "", ""

    def join(self, items: Sequence[Item], bodies: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(bodies) + b"]"

    def part_headers(self, app_id: str) -> Mapping[str, bytes]:
        """A row may leave it to what was around it to name the app."""
        return {"app_id": app_id.encode()} if app_id else {}

    def recognise(self, message: Unlabelled) -> str | None:
        """Any other JSON: so this family is the last to be asked."""
        return _KIND if message.start.startswith((b"{", b"[")) else None

    def decode(self, message: Message, limits: Limits) -> Iterable[Result]:
        app_id = message.headers.get("app_id", b"").decode(errors="replace")
        return decode_messages(inflated(message, limits), app_id, message.received_ms, limits)

    def line_row(self, body: bytes) -> LineRow:
        return posthog_row(body)

    def sdk(self, item: Item) -> str:
        return sdk_of(item)

    views = ViewRules(in_parts=True)
    recording = RECORDING
    names_tabs = False

    def to_views(self, batches: Iterable[Batch]) -> list[ViewEvents]:
        return window_views(batches, CvDecoder().decode)

    def taken(self, message: Message) -> Answer:
        """It takes anything but 200 for a failure and sends again."""
        return Answer(HTTPStatus.OK, b'{"status":1}')

    def start_answer(self, path: str) -> Start | None:
        body = start_answer(path)
        return None if body is None else Start("posthog start", body)

    def refusal_status(self, status: HTTPStatus) -> HTTPStatus:
        """It sends again after 5xx only."""
        return HTTPStatus.SERVICE_UNAVAILABLE if status in _AGAIN else status

    def refusal_headers(self, status: HTTPStatus, wait_seconds: int) -> Mapping[str, str]:
        return {}

    places: Mapping[str, tuple[str, str]] = {
        "ip": ("properties", "$ip"),
        "country": ("properties", "$geoip_country_name"),
        "country_iso_code": ("properties", "$geoip_country_code"),
        "province": ("properties", "$geoip_subdivision_1_name"),
        "city": ("properties", "$geoip_city_name"),
        "isp": ("properties", "$geoip_isp"),
    }
    content_names = CONTENT_NAMES
    envelope_names = frozenset({"$session_id", "$window_id", "token", "api_key", "event"})


POSTHOG = PostHog()
