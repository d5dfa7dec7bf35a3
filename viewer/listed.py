"""What can be listed: the columns of a table, its time, what names a row, and where free text is looked for."""

from collections.abc import Mapping, Sequence

import msgspec

from schemas.fields import JSON, Field
from schemas.items import LINE_TABLE
from schemas.tables import TABLES

# Of a window, the same in the index and over lines. That two of ten million share one is less likely than one in 10^5.
WINDOW_HASH = "xor(hash(app_id, session_id), hash(session_part::BIGINT))"
WINDOW_OF_SESSION = "xor(id, hash(session_part::BIGINT))"  # the same in the index, which has the first half
_WINDOW: Mapping[str, type[str] | type[int]] = {"app_id": str, "session_id": str, "session_part": int}
_MOMENTS_US = (-9_223_372_022_400_000_000, 9_223_372_036_854_775_806)  # of DuckDB's timestamps
_IDS = {"session_id", "view_id", "replay_key", "session_first_view_id", "session_last_view_id"}
# Free text is looked for in these, and in `search_text`. They have few values, and DuckDB looks at each value once.
_OF_SESSIONS = (
    *("browser", "browser_version", "os", "os_version", "device", "country", "province", "city", "isp"),
    *("env", "service", "version"),
)
_OF_LINES = ("session_id", "view_id", "userid", "user_name", "user_email", "view_url", "view_name")
_OF_TABLE = {
    "views": ("view_referrer",),
    "actions": ("action_name", "action_type"),
    "errors": ("error_message", "error_type", "error_stack"),
    "resources": ("resource_url", "resource_type", "resource_method", "resource_status"),
    "long_tasks": ("long_task_id",),
    "console": ("message", "level"),
}
# Free text on sessions is looked for in these too: what happened, those with least to read first.
HAPPENED: Mapping[str, Sequence[str]] = {
    "errors": ("error_type", "error_message"),
    "console": ("message",),
    "actions": ("action_name",),
    "views": ("view_url", "view_name"),
    "resources": ("resource_url",),
}


class Listed(msgspec.Struct, frozen=True):
    """A table that can be listed.

    `key`: expressions that put rows with the same value into one order, with their types; `uses`: the columns in
    them; `search`: a condition on one word, a parameter for each `?`, and `searched` the columns in it; `moment`: what
    an epoch in us goes through to be compared with a column of times.
    """

    table: str
    columns: Mapping[str, Field]
    time: str
    key: Mapping[str, type[str] | type[int]]
    uses: Sequence[str]
    search: str
    searched: Sequence[str]
    moment: str

    @property
    def key_sql(self) -> str:
        return ", ".join(self.key)

    def in_range(self, moment_us: int) -> int:
        """The nearest moment that the table's columns can be compared with."""
        return moment_us if self.moment == "?" else min(max(moment_us, _MOMENTS_US[0]), _MOMENTS_US[1])

    def can_sort(self, field: Field) -> bool:
        return not field.type.startswith("map")

    def can_count(self, field: Field) -> bool:
        """Whether counting its values makes sense."""
        names = {*_IDS, TABLES[self.table].key[-1]}
        return field.type in {"string", "bool"} and field.unit != JSON and field.name not in names


def anywhere(names: Sequence[str], more: str = "") -> str:
    """A condition: a word is in one of the columns."""
    return f"({' OR '.join(f'contains(lower({name}), ?)' for name in names)}{more})"


def _columns(table: str) -> Mapping[str, Field]:
    return {field.name: field for field in TABLES[table].fields}


def _lines(table: str) -> Listed:
    item = TABLES[table].key[-1]
    searched = (*_OF_LINES, *_OF_TABLE[table])
    return Listed(
        table,
        _columns(table),
        time="time",
        key={
            **_WINDOW,
            f"coalesce({item}, '')": str,
            "coalesce(epoch_us(time), 0)": int,
            "coalesce(epoch_us(received_at), 0)": int,
        },
        uses=(*_WINDOW, item, "time", "received_at"),
        search=anywhere(searched),
        searched=searched,
        moment="make_timestamptz(?)",
    )


SESSIONS = Listed(
    "sessions",
    _columns("sessions"),
    time="start",
    key=_WINDOW,
    uses=tuple(_WINDOW),
    search=anywhere(_OF_SESSIONS, " OR contains(search_text, ?)"),
    searched=_OF_SESSIONS,
    moment="?",
)
LINES = {table: _lines(table) for table in LINE_TABLE.values()}
