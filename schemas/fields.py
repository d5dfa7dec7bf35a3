"""What a column is, and short ways to declare one: name, type, unit, meaning, and where each SDK family sends it.

A source is the dotted path of the attribute on the wire. A source that begins with `from ` is worked out in
`operators/families/*/rows.py` from what it names (converted, cut out, put together); it is not a plain copy. An empty
source: that family does not send it.
"""

from typing import Literal, get_args

import msgspec

ColumnType = Literal["string", "int64", "double", "bool", "timestamp", "map<string,string>", "binary"]

JSON = "JSON"  # unit of a string column that holds a JSON text
_DERIVED = "from "

Group = Literal["Session", "Pages", "Frustration", "User", "Device", "Place", "Application", "Replay", "More"]
GROUPS: tuple[str, ...] = get_args(Group)  # of a session's columns on the page, in this order

# How a session gets its value of a column from its lines: not at all; the last one that is known; the last one that is
# known of the visitor whom the session ends with.
Carried = Literal["no", "last", "of the visitor"]


class Field(msgspec.Struct, frozen=True):
    """One column. `timestamp` is UTC in microseconds; `unit` is empty where the type says it all.

    `request`, `recording`: the headers of a request, and the records, that tell it where the SDK itself does not.

    `nullable`: false only where every row has a value, in files of every version. `since`: the version that added it.

    `carried`: of a line's column, whether `sessions` has it too. `group`, `label`: of a column of `sessions`, where the
    page shows it and what the page calls it, if not by its name in words.
    """

    name: str
    type: ColumnType
    unit: str
    doc: str
    guance: str
    datadog: str
    posthog: str
    sentry: str = ""
    nullable: bool = True
    since: int = 1
    request: str = ""
    recording: str = ""
    carried: Carried = "no"
    group: Group = "More"
    label: str = ""


class Join(msgspec.Struct, frozen=True):
    """Columns that a table shares with the key of another, so that a row here has at most one latest row there."""

    table: str
    columns: tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """One table of the lake. `fields` in the order in which versions added them, see `by_version`.

    `key`: what names a row, or, where `is_revised`, all revisions of a row, which share the day (`dt`) they are filed
    under. A row that has null in its key is not named by it. Empty: nothing names a row.
    """

    name: str
    doc: str
    fields: tuple[Field, ...]
    sort_by: tuple[str, ...]
    since: int = 1  # its first version
    last_common: int = 3  # up to here a version was one of all tables, also of those that it added nothing to
    key: tuple[str, ...] = ()
    is_revised: bool = False
    joins: tuple[Join, ...] = ()

    @property
    def versions(self) -> tuple[int, ...]:
        """Those that files can have, oldest first: a table has a new version only if a column was added to it."""
        own = {max(self.since, field.since) for field in self.fields}
        return tuple(sorted({*range(self.since, self.last_common + 1), *own}))

    @property
    def version(self) -> int:
        """The newest, that files are written with."""
        return self.versions[-1]


def is_copied(source: str) -> bool:
    """Whether the column is the attribute `source` as sent, with at most a change of type."""
    return bool(source) and not source.startswith(_DERIVED)


def text(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    """A string that the Guance SDK sends under the column's own name; so are all below but `computed`."""
    return Field(name, "string", "", doc, name, datadog, posthog, sentry)


def json_text(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    """A structure, kept as its JSON text."""
    return Field(name, "string", JSON, doc, name, datadog, posthog, sentry)


def flag(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    return Field(name, "bool", "", doc, name, datadog, posthog, sentry)


def nanoseconds(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    return Field(name, "int64", "ns", doc, name, datadog, posthog, sentry)


def milliseconds(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    return Field(name, "int64", "ms", doc, name, datadog, posthog, sentry)


def size_bytes(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    return Field(name, "int64", "bytes", doc, name, datadog, posthog, sentry)


def count(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    return Field(name, "int64", "count", doc, name, datadog, posthog, sentry)


def ratio(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    return Field(name, "double", "ratio", doc, name, datadog, posthog, sentry)


def percent(name: str, doc: str, datadog: str = "", posthog: str = "", sentry: str = "") -> Field:
    return Field(name, "double", "percent", doc, name, datadog, posthog, sentry)


def computed(name: str, column_type: ColumnType, doc: str, unit: str = "") -> Field:
    """A column that Replay Lake makes itself."""
    return Field(name, column_type, unit, doc, "", "", "")


def told_by(request: str, *fields: Field, recording: str = "") -> tuple[Field, ...]:
    """Columns that headers of the request, or records, tell too."""
    return tuple(msgspec.structs.replace(field, request=request, recording=recording) for field in fields)


def always(*fields: Field) -> tuple[Field, ...]:
    """Columns that have a value in every row."""
    return tuple(msgspec.structs.replace(field, nullable=False) for field in fields)


def added(version: int, *fields: Field) -> tuple[Field, ...]:
    """Columns that files of earlier versions do not have, and so null in these for every reader."""
    return tuple(msgspec.structs.replace(field, since=version) for field in fields)


def by_version(*fields: Field) -> tuple[Field, ...]:
    """Columns in the order in which a file has them: what a version adds comes behind all that was there before."""
    return tuple(sorted(fields, key=lambda field: field.since))


def carried(group: Group, *fields: Field, how: Carried = "last") -> tuple[Field, ...]:
    """Columns of lines that `sessions` has too, and the group they are in on its page."""
    return tuple(msgspec.structs.replace(field, carried=how, group=group) for field in fields)


def grouped(group: Group, *fields: Field) -> tuple[Field, ...]:
    """Columns of `sessions`, and the group they are in on its page."""
    return tuple(msgspec.structs.replace(field, group=group) for field in fields)


def labelled(label: str, field: Field) -> Field:
    """A column whose name in words would not be what people call it."""
    return msgspec.structs.replace(field, label=label)
