"""Routes of the explorer: apps, fields, sessions, live ones, facets, histogram."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from schemas.fields import GROUPS
from viewer import answers, explorer, respond
from viewer.access import Caller
from viewer.asking import FAILURES, PREFIX, SECURITY, TEXT, Parts, Responses, SessionFilter, Who, client, text_told
from viewer.filters import Wanted
from viewer.listed import LINES, SESSIONS, Listed
from viewer.parts import Viewer

_COLUMNS = 40


def _described(of: Listed) -> list[explorer.Row]:
    return [
        {"name": field.name, "type": field.type, "unit": field.unit, "doc": field.doc}
        | {"label": field.label, "group": field.group}
        | {"filter": of.can_sort(field), "sort": of.can_sort(field), "facet": of.can_count(field)}
        for field in of.columns.values()
    ]


_FIELDS = {
    "fields": _described(SESSIONS),
    "groups": GROUPS,
    "lines": {table: _described(of) for table, of in LINES.items()},
}
Columns = Annotated[str, Query(max_length=4 * TEXT, description="names, with commas between")]
Top = Annotated[int, Query(ge=1, le=100, description="values per column")]
Own = Annotated[bool, Query(description="false: what `is` and `not` say of a column does not hide its other values")]
Buckets = Annotated[int, Query(ge=1, le=500, description="at most")]
Limit = Annotated[int, Query(ge=1, le=500)]
Sort = Annotated[str, Query(max_length=TEXT, description="a column, with `-` descending")]
After = Annotated[str, Query(max_length=4 * TEXT, description="`next` of the page before")]

routes = APIRouter(prefix=PREFIX, responses=FAILURES, tags=["explorer"])


@routes.get("/apps", response_model=answers.Apps, openapi_extra=SECURITY)
def apps(request: Request, viewer: Parts, who: Who) -> Response:
    """The apps that the caller may read."""
    names = viewer.options.app_names
    found = [app | {"name": names.get(str(app["app_id"]))} for app in explorer.apps(viewer.index, who.apps)]
    return respond.json(request, {"apps": found})


@routes.get("/lake", response_model=answers.Lake, openapi_extra=SECURITY)
def lake(request: Request, viewer: Parts, who: Who) -> Response:
    """Whether there is a lake, and anything in it: why a list is empty."""
    where = viewer.options.lake if who.apps is None else None
    return respond.json(request, {"state": viewer.lake_state(), "where": where})


@routes.get("/fields", response_model=answers.Fields)
def fields(request: Request) -> Response:
    """The columns of sessions and lines as declared; nothing of the lake, so anybody may ask."""
    return respond.json(request, _FIELDS)


CSV_ROWS = 10_000  # in one answer, whatever `limit` says
Format = Annotated[
    Literal["json", "csv"] | None,
    Query(description=f"csv: up to {CSV_ROWS} rows for a spreadsheet, as with `Accept: text/csv`; limit is of json"),
]
AS_CSV: Responses = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


@routes.get("/sessions", response_model=answers.Sessions, responses=AS_CSV, openapi_extra=SECURITY)
def sessions(  # noqa: PLR0913 - FastAPI takes parameters so
    request: Request,
    viewer: Parts,
    who: Who,
    wanted: SessionFilter,
    sort: Sort = "-start",
    limit: Limit = 50,
    cursor: After = "",
    format: Format = None,  # noqa: A002 - the name of the parameter
) -> Response:
    """One page of windows, newest first unless sorted otherwise."""
    as_csv = respond.wants_csv(request, format)
    found = explorer.sessions(viewer.index, wanted, sort, CSV_ROWS if as_csv else limit, cursor)
    note_rows(request, viewer, who, wanted, "sessions", found, as_csv=as_csv)
    if as_csv:
        return text_told(respond.csv(request, "sessions", list(SESSIONS.columns), found), wanted)
    return respond.json(request, found)


def note_rows(  # noqa: PLR0913 - a line of the audit log names all of this
    request: Request, viewer: Viewer, who: Caller, wanted: Wanted, table: str, found: explorer.Row, *, as_csv: bool
) -> None:
    """Put a list into the audit log."""
    rows = found[table]
    count = len(rows) if isinstance(rows, list) else 0
    viewer.audit.note_rows(who, client(request), "csv" if as_csv else "list", table, wanted.app, count)


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
@routes.get("/sessions/facets", response_model=answers.Facets, openapi_extra=SECURITY)
def facets(  # noqa: PLR0913 - FastAPI takes parameters so
    request: Request,
    viewer: Parts,
    wanted: SessionFilter,
    columns: Columns,
    top: Top = 10,
    own: Own = True,  # noqa: FBT002
) -> Response:
    """How many windows have which value."""
    found = {"facets": explorer.facets(viewer.index, wanted, names_of(columns), top, own=own)}
    return text_told(respond.json(request, found), wanted)


def names_of(columns: str) -> list[str]:
    """Those of a list with commas, as many as one question may have."""
    return [name for name in columns.split(",") if name][:_COLUMNS]


@routes.get("/histogram", response_model=answers.Histogram, openapi_extra=SECURITY)
@routes.get("/sessions/histogram", response_model=answers.Histogram, openapi_extra=SECURITY)
def histogram(request: Request, viewer: Parts, wanted: SessionFilter, buckets: Buckets = 60) -> Response:
    """Windows over time, by their start."""
    return text_told(respond.json(request, explorer.histogram(viewer.index, wanted, buckets)), wanted)
