"""What an `event` of Sentry says of its error: type, message, stack, causes, and who caught it."""

from operators.rows.paths import child
from operators.rows.values import Attributes, Row, compact_json, text_of_id

_FRAMES_MAX = 100
_CAUSES_MAX = 20


def read_error(event: Attributes, row: Row) -> None:
    """The last of the exceptions was thrown; those before it are its causes, the nearest last.

    Source: `aggregateExceptionsFromError`, which puts each cause in front. `captureMessage` makes an event without a
    type, in SDK 11 with the stack of its call.
    """
    if own := text_of_id(event.get("event_id")):
        row["error_id"] = own
    trace = child(child(event, "contexts"), "trace")
    for column in ("trace_id", "span_id"):
        if found := text_of_id(trace.get(column)):
            row[column] = found
    *causes, thrown = _exceptions(event) or [{}]
    for column, text in (
        ("error_type", text_of_id(thrown.get("type"))),
        ("error_message", text_of_id(thrown.get("value")) or _message(event)),
        ("error_stack", stack_text(thrown)),
    ):
        if text:
            row[column] = text
    if causes:
        row["error_causes"] = compact_json([_cause(one) for one in reversed(causes[-_CAUSES_MAX:])])
    mechanism = child(thrown, "mechanism")
    handled = mechanism.get("handled")
    if isinstance(handled, bool):
        row["error_handling"] = "handled" if handled else "unhandled"
    row["error_source"] = _source(text_of_id(mechanism.get("type")))


def stack_text(thrown: Attributes) -> str:
    """The frames as browsers write a stack. Sentry lists the frame in which it happened last."""
    frames = child(thrown, "stacktrace").get("frames")
    lines = []
    for frame in reversed(frames[-_FRAMES_MAX:] if isinstance(frames, list) else []):
        if isinstance(frame, dict):
            name = text_of_id(frame.get("function")) or "?"
            place = [text_of_id(frame.get(part)) for part in ("filename", "lineno", "colno")]
            lines.append(f"    at {name} ({':'.join(filter(None, place)) or '?'})")
    if not lines:
        return ""
    says = [text_of_id(thrown.get(part)) for part in ("type", "value")]
    return "\n".join([": ".join(filter(None, says)), *lines])


def _exceptions(event: Attributes) -> list[Attributes]:
    """`{"values": […]}`, or the list by itself, as old versions of the protocol have it."""
    found = event.get("exception")
    values = found.get("values") if isinstance(found, dict) else found
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _message(event: Attributes) -> str:
    entry = child(event, "logentry")
    return text_of_id(event.get("message")) or text_of_id(entry.get("formatted")) or text_of_id(entry.get("message"))


def _cause(thrown: Attributes) -> dict[str, str]:
    """As Datadog's SDK writes a cause."""
    found = {
        "type": text_of_id(thrown.get("type")),
        "message": text_of_id(thrown.get("value")),
        "stack": stack_text(thrown),
    }
    return {name: text for name, text in found.items() if text}


def _source(mechanism: str) -> str:
    """From `auto.browser.global_handlers.onerror` (SDK 10 and 11) or `onerror` (7 to 9): who noticed the error."""
    if "http.client" in mechanism or mechanism == "http":
        return "network"
    if "console" in mechanism:
        return "console"
    return "custom" if mechanism in {"", "generic"} else "source"
