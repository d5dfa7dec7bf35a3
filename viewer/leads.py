"""The way from a number to what it counts: a route, and the parameters of the API with which it lists just that."""

from collections.abc import Mapping, Sequence

from viewer.filters import Wanted

Row = dict[str, object]
Said = Mapping[str, Sequence[str]]


def leads(route: str, wanted: Wanted, more: Said | None = None) -> Row:
    """To the rows of `route` that fulfil the filter and `more`, which is given by parameter."""
    found: dict[str, list[str]] = {}
    for name, values in (
        ("app", [] if wanted.app is None else [wanted.app]),
        ("from", _moment(wanted.from_ms)),
        ("to", _moment(wanted.to_ms)),
        ("q", [wanted.text] if wanted.text else []),
        ("is", wanted.is_),
        ("not", wanted.not_),
        ("gt", wanted.gt),
        ("lt", wanted.lt),
        ("between", wanted.between),
    ):
        every = [*values, *(more or {}).get(name, ())]
        if every:
            found[name] = every[-1:] if name == "app" else every
    return {"route": route, "filter": found}


def _moment(value: float | None) -> list[str]:
    return [] if value is None else [str(int(value) if value == int(value) else value)]
