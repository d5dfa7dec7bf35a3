"""Real Guance RUM lines with holes: what a generated line is made of."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from flows.captures import CaptureCounts, read_captures
from operators.decode import decode
from operators.wire.unusable import Limits
from schemas.items import Item, Kind

SAMPLES = Path(__file__).parent.parent / "samples"
LINE_KINDS = (Kind.VIEW, Kind.ACTION, Kind.ERROR, Kind.RESOURCE, Kind.LONG_TASK)
_CAPTURE = SAMPLES / "guance" / "gc-spa-json.jsonl.gz"
_OWN_ID = {Kind.ERROR: "error_id", Kind.RESOURCE: "resource_id", Kind.LONG_TASK: "long_task_id"}


class Line(msgspec.Struct, frozen=True):
    """What makes a line its own. `line_id`: of the event; a view has its `view_id` and `time_spent_ns` instead."""

    app_id: str
    session_id: str
    view_id: str
    line_id: str
    user_id: str
    time_ms: int
    time_spent_ns: int

    def fill(self, template: bytes) -> bytes:
        """The line as an SDK would send it."""
        return template % {
            b"app": self.app_id.encode(),
            b"session": self.session_id.encode(),
            b"view": self.view_id.encode(),
            b"line": self.line_id.encode(),
            b"user": self.user_id.encode(),
            b"time": self.time_ms,
            b"spent": self.time_spent_ns,
        }


@cache
def line_templates() -> Mapping[Kind, list[bytes]]:
    """Every line of one real session, by kind."""
    found: dict[Kind, list[bytes]] = {kind: [] for kind in LINE_KINDS}
    for captured in read_captures([_CAPTURE], CaptureCounts()):
        for item in decode(captured.message, Limits()):
            if isinstance(item, Item) and item.kind != Kind.SEGMENT:
                found[Kind(item.kind)].append(_template(Kind(item.kind), item.body))
    return found


def _template(kind: Kind, body: bytes) -> bytes:
    row = msgspec.json.decode(body)
    tags, fields = row["tags"], row["fields"]
    tags |= {"app_id": "%(app)b", "session_id": "%(session)b", "view_id": "%(view)b", "userid": "%(user)b"}
    row["time"] = "%(time)d"
    if kind is Kind.VIEW:
        fields["time_spent"] = "%(spent)d"
    elif kind is Kind.ACTION:
        fields["action_id"] = "%(line)b"
    else:
        tags[_OWN_ID[kind]] = "%(line)b"
    text = msgspec.json.encode(row).replace(b"%", b"%%").replace(b"%%(", b"%(")
    return text.replace(b'"%(time)d"', b"%(time)d").replace(b'"%(spent)d"', b"%(spent)d")
