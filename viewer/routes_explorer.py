"""Routes of the explorer: apps, fields, sessions, live ones, facets, histogram."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from schemas.fields import GROUPS, Field
from schemas.tables import TABLES
from viewer import answers, explorer, respond
from viewer.asking import FAILURES, PREFIX, SECURITY, TEXT, Filter, Parts, Who
from viewer.session_rows import TIMELINE

_COLUMNS = 40
_NOT_COUNTED = {"session_id", "replay_key", "session_first_view_id", "session_last_view_id"}


def _described(field: Field) -> explorer.Row:
    return {"name": field.name, "type": field.type, "unit": field.unit, "doc": field.doc, "label": field.label}


_FIELDS = {
    "fields": [
        _described(field)
        | {"facet": field.type in {"string", "bool"} and field.name not in _NOT_COUNTED, "group": field.group}
        for field in TABLES["sessions"].fields
    ],
    "groups": GROUPS,
    "lines": {table: [_described(field) for field in TABLES[table].fields] for table in TIMELINE},
}

routes = APIRouter(prefix=PREFIX, responses=FAILURES, tags=["explorer"])


@routes.get("/apps", response_model=answers.Apps, openapi_extra=SECURITY)
def apps(request: Request, viewer: Parts, who: Who) -> Response:
    """The apps that the caller may read."""
    return respond.json(request, {"apps": explorer.apps(viewer.index, who.apps)})


@routes.get("/lake", response_model=answers.Lake, openapi_extra=SECURITY)
def lake(request: Request, viewer: Parts, who: Who) -> Response:
    """Whether there is a lake, and anything in it: why a list is empty."""
    where = viewer.options.lake if who.apps is None else None
    return respond.json(request, {"state": viewer.lake_state(), "where": where})


@routes.get("/fields", response_model=answers.Fields)
def fields(request: Request) -> Response:
    """The columns of sessions and lines as declared; nothing of the lake, so anybody may ask."""
    return respond.json(request, _FIELDS)


@routes.get("/sessions", response_model=answers.Sessions, openapi_extra=SECURITY)
def sessions(  # noqa: PLR0913 - FastAPI takes parameters so
    request: Request,
    viewer: Parts,
    wanted: Filter,
    sort: Annotated[str, Query(max_length=TEXT, description="a column, with `-` descending")] = "-start",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str, Query(max_length=4 * TEXT, description="`next` of the page before")] = "",
) -> Response:
    """One page of windows, newest first unless sorted otherwise."""
    return respond.json(request, explorer.sessions(viewer.index, wanted, sort, limit, cursor))


@routes.get("/live", response_model=answers.LiveSessions, openapi_extra=SECURITY)
def live(
    request: Request,
    viewer: Parts,
    who: Who,
    app: Annotated[str | None, Query(max_length=TEXT, description="only this app")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Sessions that are going on, heard of last first."""
    if app is not None:
        who.check(app)
    found, is_whole = viewer.live.list.sessions(who.apps if app is None else frozenset({app}), limit)
    return respond.json(request, {"sessions": found, "complete": is_whole})


@routes.get("/facets", response_model=answers.Facets, openapi_extra=SECURITY)
def facets(
    request: Request,
    viewer: Parts,
    wanted: Filter,
    columns: Annotated[str, Query(max_length=4 * TEXT, description="names, with commas between")],
    top: Annotated[int, Query(ge=1, le=100, description="values per column")] = 10,
) -> Response:
    """How many windows have which value."""
    names = [name for name in columns.split(",") if name][:_COLUMNS]
    return respond.json(request, {"facets": explorer.facets(viewer.index, wanted, names, top)})


@routes.get("/histogram", response_model=answers.Histogram, openapi_extra=SECURITY)
def histogram(
    request: Request,
    viewer: Parts,
    wanted: Filter,
    buckets: Annotated[int, Query(ge=1, le=500, description="at most")] = 60,
) -> Response:
    """Windows over time, by their start."""
    return respond.json(request, explorer.histogram(viewer.index, wanted, buckets))
