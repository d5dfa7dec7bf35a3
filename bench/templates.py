"""A generated line: ids and times for the holes of a template."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from bench.forms import JSON, LINE_KINDS, SAMPLES, recorded
from schemas.items import Kind
from schemas.units import MS_PER_SECOND

__all__ = ["LINE_KINDS", "SAMPLES", "Line", "line_templates"]


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
            b"seconds": self.time_ms / MS_PER_SECOND,
            b"iso": datetime.fromtimestamp(self.time_ms / MS_PER_SECOND, UTC).isoformat().encode(),
        }


def line_templates() -> Mapping[Kind, list[bytes]]:
    """Every line of one real session of a Guance SDK that sends JSON, by kind."""
    return recorded(JSON).templates
