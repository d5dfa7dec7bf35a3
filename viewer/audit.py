"""Who watched what: one JSON line for every answer that holds content of sessions. Never the content."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO

import msgspec

from schemas.errors import MustAct
from viewer.access import Caller


class AuditFailed(MustAct):
    """The line could not be written, so the content may not be handed out."""


class Audit:
    """Appends lines. `clock`: epoch seconds."""

    def __init__(self, target: IO[bytes], clock: Callable[[], float]) -> None:
        self._target = target
        self._clock = clock
        self._lock = threading.Lock()

    def note(self, caller: Caller, client: str, what: str, app_id: str, session_id: str, **more: int) -> None:
        """Of one session. Written before the answer is sent. Raises AuditFailed."""
        self._write(caller, client, {"what": what, "app_id": app_id, "session_id": session_id, **more})

    def note_rows(self, caller: Caller, client: str, what: str, table: str, app_id: str | None, rows: int) -> None:  # noqa: PLR0913 - a line names all of this
        """Of rows of many sessions; `app_id`: the one that was asked for, None: all that the caller may read.

        Raises AuditFailed.
        """
        self._write(caller, client, {"what": what, "table": table, "app_id": app_id, "rows": rows})

    def _write(self, caller: Caller, client: str, about: dict[str, object]) -> None:
        time = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "who": caller.name, "client": client, **about}
        try:
            with self._lock:
                self._target.write(msgspec.json.encode(line) + b"\n")
                self._target.flush()
        except OSError as error:
            raise AuditFailed(f"the audit log cannot be written: {error.strerror}") from error
