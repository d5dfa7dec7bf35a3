"""Routes of what happened in sessions: a list, facets and a histogram for each table of lines."""

from fastapi import APIRouter, Request, Response

from viewer import answers, respond
from viewer.asking import FAILURES, PREFIX, SECURITY, Filter, Parts, Who
from viewer.listed import LINES
from viewer.routes_explorer import (
    AS_CSV,
    CSV_ROWS,
    After,
    Buckets,
    Columns,
    Format,
    Limit,
    Own,
    Sort,
    Top,
    names_of,
    note_rows,
)

routes = APIRouter(prefix=PREFIX, responses=FAILURES, tags=["explorer"])


def _add(table: str) -> None:
    words = table.replace("_", " ")

    def rows(  # noqa: PLR0913 - FastAPI takes parameters so
        request: Request,
        viewer: Parts,
        who: Who,
        wanted: Filter,
        sort: Sort = "-time",
        limit: Limit = 50,
        cursor: After = "",
        format: Format = None,  # noqa: A002 - the name of the parameter
    ) -> Response:
        as_csv = respond.wants_csv(request, format)
        found = viewer.lines.page(table, wanted, sort, CSV_ROWS if as_csv else limit, cursor)
        note_rows(request, viewer, who, wanted, table, found, as_csv=as_csv)
        return (
            respond.csv(request, table, list(LINES[table].columns), found) if as_csv else respond.json(request, found)
        )

    def facets(  # noqa: PLR0913 - FastAPI takes parameters so
        request: Request,
        viewer: Parts,
        wanted: Filter,
        columns: Columns,
        top: Top = 10,
        own: Own = True,  # noqa: FBT002
    ) -> Response:
        found = viewer.lines.facets(table, wanted, names_of(columns), top, own=own)
        return respond.json(request, {"facets": found})

    def histogram(request: Request, viewer: Parts, wanted: Filter, buckets: Buckets = 60) -> Response:
        return respond.json(request, viewer.lines.histogram(table, wanted, buckets))

    for path, answer, model, about in (
        ("", rows, answers.LINE_PAGES[table], f"One page of {words}, newest first unless sorted otherwise."),
        ("/facets", facets, answers.Facets, f"How many {words} have which value."),
        ("/histogram", histogram, answers.LineHistogram, f"{words.capitalize()} over time."),
    ):
        name = f"{table}{path.replace('/', '_')}"
        responses = {} if path else AS_CSV
        routes.add_api_route(
            f"/{table}{path}",
            answer,
            name=name,
            response_model=model,
            responses=responses,
            description=about,
            openapi_extra=SECURITY,
        )


for _table in LINES:
    _add(_table)
