"""A replay segment's form: its fields beside the segment, in a multipart body or already as headers."""

from operators.wire.message import DECISION, Message
from operators.wire.multipart_body import multipart_fields, sniffed_boundary

# Headers that say: the form was read already, the value is the segment.
_FIELDS = {"event", "index_in_view", "app_id", "session_id", "view_id", DECISION}


def form_parts(message: Message) -> dict[str, bytes]:
    """Form fields of a multipart body; else the headers with the value as part `segment`. Raises Unusable.

    A body is looked through for a form only where no header says what it is.
    """
    content_type = message.headers.get("content-type", b"").decode("latin-1")
    if not content_type.startswith("multipart/") and message.headers.keys().isdisjoint(_FIELDS):
        content_type = sniffed_boundary(message.value) or content_type
    if content_type.startswith("multipart/"):
        return multipart_fields(message.value, content_type)
    return {**message.headers, "segment": message.value}
