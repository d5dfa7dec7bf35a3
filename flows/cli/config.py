"""The command that shows the settings: `config`."""

import json

from flows.cli.options import JsonOption, LakeOption, settings_with
from flows.shown import console, plain, plain_table


def config(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """The effective settings, secrets hidden.

    Example: REPLAYLAKE_LAKE=s3://my-bucket/rum replaylake config
    """
    settings = settings_with(lake)
    dumped = settings.model_dump(mode="json")
    if as_json:
        print(json.dumps(_hidden(dumped), indent=2))
        return
    table = plain_table("setting", "value", "meaning")
    for name, value, meaning in _flat(settings, _hidden(dumped)):
        table.add_row(plain(name), plain(json.dumps(value)), plain(meaning))
    console().print(table)


def _hidden(dumped: dict[str, object]) -> dict[str, object]:
    """Pass-through options may hold credentials: only their names are shown."""
    hidden: dict[str, object] = {}
    for name, value in dumped.items():
        if isinstance(value, dict) and name in {"client", "options", "catalog"}:
            hidden[name] = dict.fromkeys(value, "**********")
        else:
            hidden[name] = _hidden(value) if isinstance(value, dict) else value
    return hidden


def _flat(model: object, dumped: dict[str, object], prefix: str = "") -> list[tuple[str, object, str]]:
    rows: list[tuple[str, object, str]] = []
    fields = getattr(type(model), "model_fields", {})
    for name, value in dumped.items():
        child = model[name] if isinstance(model, dict) else getattr(model, name, None)
        is_section = hasattr(type(child), "model_fields")
        if isinstance(value, dict) and (is_section or (isinstance(child, dict) and _holds_sections(child))):
            rows += _flat(child, value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value, fields[name].description or "" if name in fields else ""))
    return rows


def _holds_sections(settings: dict[str, object]) -> bool:
    """Whether these are sections by a name of the operator's, such as those of apps."""
    return any(hasattr(type(one), "model_fields") for one in settings.values())
