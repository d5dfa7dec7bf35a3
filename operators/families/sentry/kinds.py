"""What an event or span of Sentry is, by its type and operation.

Operations of `@sentry/browser-utils` 8 to 11 and `@sentry-internal/tracing` 7: `pageload`, `navigation`,
`http.client`, `resource.*`, `ui.long-task`, `ui.long-animation-frame` (SDK 11: with `_`), `ui.interaction.*`,
`ui.webvital.*`, `browser.*`. Any other is a span that the page itself made.
"""

from operators.families.sentry.lines import EVENT, FEEDBACK, LOG, SPAN, TRANSACTION, span_attributes
from operators.rows.paths import child
from operators.rows.values import Attributes, text_of_id
from schemas.items import Kind

VIEWS = {"pageload": "initial_load", "navigation": "route_change"}
HTTP, RESOURCE = "http.client", "resource."
_LONG_TASKS = frozenset({"ui.long-task", "ui.long-animation-frame"})
_WEB_VITAL, _INTERACTION = "ui.webvital.", "ui.interaction."
_INP = "browser.web_vital.inp.value"


def operation(kind: str, payload: Attributes) -> str:
    """The operation of a span or transaction."""
    if kind == TRANSACTION:
        return text_of_id(child(child(payload, "contexts"), "trace").get("op"))
    return text_of_id(payload.get("op")) or text_of_id(span_attributes(payload).get("sentry.op"))


def kind_of(kind: str, payload: Attributes) -> Kind:
    """What a line is. `kind`: one of the types in `lines`."""
    if kind in (SPAN, TRANSACTION):
        return kind_of_operation(operation(kind, payload))
    return {EVENT: Kind.ERROR, FEEDBACK: Kind.ACTION, LOG: Kind.CONSOLE}.get(kind, Kind.NOTE)


def is_vital(op: str, payload: Attributes) -> bool:
    """Whether a span carries a web vital: it only adds to the view that it is of."""
    if op.startswith(_WEB_VITAL):
        return True
    return op.startswith(_INTERACTION) and ("inp" in child(payload, "measurements") or _INP in span_attributes(payload))


def kind_of_operation(op: str) -> Kind:
    """What a span with an operation is."""
    if op in VIEWS:
        return Kind.VIEW
    if op == HTTP or op.startswith(RESOURCE):
        return Kind.RESOURCE
    return Kind.LONG_TASK if op.replace("_", "-") in _LONG_TASKS else Kind.NOTE
