"""Writes docs/settings.md from the declared settings: `python -m flows.settings_doc > docs/settings.md`."""

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from flows.settings import CONFIG_VARIABLE, PREFIX, Settings

_HEAD = f"""\
# Settings

Made from the declarations in `flows/settings.py` by `python -m flows.settings_doc`; do not edit.

A value comes from a flag of the command, else from the environment, else from `replaylake.toml` in the working
directory (or the file that `{CONFIG_VARIABLE}` names), else it is the default. An unknown key or variable is an error.
`replaylake config` shows what is in force, secrets hidden.

In the file `gap_seconds` of `[sessions]` is what `sessions.gap_seconds` is here. In the environment a list is words
with commas between, or JSON; a table is JSON, `{{"shop": {{"retention_days": 90}}}}`. `NAME` is a name of your choice.

**Once there is state**, that is a recovery folder or a lake with rows, some settings cannot be changed, or a change has
a consequence. The last column of each table says so; where it is empty, a restart with another value is all.
"""
_UNITS = {"seconds": "s", "hours": "h"} | {name: name for name in ("days", "bytes", "messages", "sessions")}
_UNITS_OF = {
    "limits.lines_per_message": "rows",
    "limits.id_length": "characters",
    "limits.quarantine_share": "0 to 1",
    "intake.address_rate.per_second": "requests/s",
    "intake.app_rate.per_second": "requests/s",
    "intake.address_rate.burst": "requests",
    "intake.app_rate.burst": "requests",
    "serve.link_seconds_max": "s",
}
_COLUMNS = (
    "| key | environment | type, unit | default | meaning | once there is state |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)
_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    SecretStr: "secret",
}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "min_length": "characters ≥"}
_CHOICES = re.compile(r"\^\(([a-z|]+)\)\$")
_SESSIONS = "holds for what arrives from then on; an open session keeps the time of its next look"
# What may not be changed, or not without a consequence, once there is state: by key, or by a section with a dot.
ONCE_THERE_IS_STATE = {
    "lake": "refused: lake and recovery folder know each other. A lake is moved by a copy of all of it",
    "kafka.bootstrap": "another address of the same cluster is fine; another cluster is refused: "
    "[restore](operations.md#restore)",
    "kafka.topics": "a topic may be added, or taken out and named again later; one that was renamed is refused",
    "kafka.start": "not looked at any more",
    "run.recovery_dir": "an empty folder is a new job: refused for a lake that has one",
    "run.recovery_parts": "**fixed**: refused",
    "run.shards": "**fixed**: refused",
    "run.keep_user_agent": "holds for what is read from then on",
    "sessions.": f"{_SESSIONS}. `replaylake serve` wants the same value",
    "sessions.memo_hours": "holds from the restart on. Part numbers and revisions of late data depend on it",
    "sessions.memo_bytes": "holds from the restart on. Part numbers and revisions of late data depend on it",
    "sessions.forgotten_sessions": "holds from the restart on. Part numbers and revisions of late data depend on it",
    "retention.days": "holds for what is written from then on; `replaylake retention migrate` moves what is there",
    "retention.replay_days": "as `retention.days`",
    "tables.promote.NAME.": "any change holds at once, for rows of any age; "
    "engines know of it when their views are made anew: `replaylake tables --ddl`",
    "apps.NAME.": "as `retention.days`",
    "intake.topic": "the job must read it: `kafka.topics`",
    "intake.mask.": "what is in Kafka and in the lake stays as it is",
    "serve.link_key": "another key ends all links",
}


class _Row(NamedTuple):
    key: str
    field: FieldInfo


def settings_markdown() -> str:
    """The whole page."""
    top, sections = [], []
    for name, field in Settings.model_fields.items():
        model, prefix = _section(name, field)
        if model is None:
            top.append(_Row(name, field))
        else:
            sections.append(_table(prefix, model.__doc__ or "", list(_rows(model, prefix))))
    return f"{_HEAD}{_table('', 'At the top of the file.', top)}{''.join(sections)}"


def keys() -> list[str]:
    """Every key, as `section.name`."""
    found: list[str] = []
    for name, field in Settings.model_fields.items():
        model, prefix = _section(name, field)
        found += [name] if model is None else [row.key for row in _rows(model, prefix)]
    return found


def _rows(model: type[BaseModel], prefix: str) -> Iterator[_Row]:
    for name, field in model.model_fields.items():
        below, path = _section(f"{prefix}.{name}", field)
        if below is None:
            yield _Row(path, field)
        else:
            yield from _rows(below, path)


def _section(path: str, field: FieldInfo) -> tuple[type[BaseModel] | None, str]:
    """The section behind a field, and its path; None for a plain setting."""
    kind: Any = field.annotation
    if get_origin(kind) in (Union, types.UnionType):  # a section that may be left out
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is dict and isinstance(get_args(kind)[1], type) and issubclass(get_args(kind)[1], BaseModel):
        return get_args(kind)[1], f"{path}.NAME"
    return (kind, path) if isinstance(kind, type) and issubclass(kind, BaseModel) else (None, path)


def _table(title: str, doc: str, rows: list[_Row]) -> str:
    head = f"\n## {title}\n" if title else ""
    return f"{head}\n{doc.strip()}\n\n{_COLUMNS}{''.join(_line(row) for row in rows)}"


def _line(row: _Row) -> str:
    kind = _kind(row.field.annotation)
    unit = _unit(row.key)
    cells = [
        f"`{row.key}`",
        _variable(row.key),
        ", ".join(filter(None, [kind, unit, _bounds(row.field)])),
        _default(row.field),
        row.field.description or "",
        _once(row.key),
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _variable(key: str) -> str:
    section, is_named, _ = key.partition(".NAME.")
    variable = f"`{PREFIX}{section.upper().replace('.', '__')}`"
    return f"in {variable}" if is_named else variable


def _unit(key: str) -> str:
    return _UNITS_OF.get(key) or _UNITS.get(key.rpartition(".")[2].rpartition("_")[2], "")


def _once(key: str) -> str:
    section = key.rpartition(".")[0] + "."
    return ONCE_THERE_IS_STATE.get(key) or ONCE_THERE_IS_STATE.get(section, "")


def _kind(kind: Any) -> str:  # noqa: ANN401 - an annotation can be anything
    """The type in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in arguments if one is not type(None)))
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is list:
        return f"list of {_kind(arguments[0])}s"
    if origin is dict:
        return "table"
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    return _WORDS[kind]


def _bounds(field: FieldInfo) -> str:
    """What a value is held against, where it is short to say."""
    said = []
    for limit in [*field.metadata, *_metadata(field.annotation)]:
        said += [f"{sign} {getattr(limit, name)}" for name, sign in _SIGNS.items() if hasattr(limit, name)]
        choices = _CHOICES.fullmatch(str(getattr(limit, "pattern", "")))
        if choices:
            said.append(" or ".join(f"`{one}`" for one in choices[1].split("|")))
    return ", ".join(said)


def _metadata(kind: Any) -> list[object]:  # noqa: ANN401 - an annotation can be anything
    """Limits inside a union: `Days | None`."""
    return [limit for one in get_args(kind) if get_origin(one) is Annotated for limit in _limits(one)]


def _limits(annotated: Any) -> list[object]:  # noqa: ANN401 - an annotation can be anything
    return [limit for info in get_args(annotated)[1:] for limit in getattr(info, "metadata", [info])]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    value = field.default
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, list):
        return f"`[{', '.join(_quoted(one) for one in value)}]`"
    return f"`{_quoted(value)}`" if value != {} else "`{}`"


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str | Path) else str(value)


if __name__ == "__main__":
    sys.stdout.write(settings_markdown())
