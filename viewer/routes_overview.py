"""Routes of what is put together: groups of errors, clicks of a page, and the overview of an application."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from viewer import answers, respond
from viewer.asking import FAILURES, PREFIX, SECURITY, TEXT, Filter, Parts, text_told

routes = APIRouter(prefix=PREFIX, responses=FAILURES, tags=["explorer"])


@routes.get("/errors/groups", response_model=answers.ErrorGroups, openapi_extra=SECURITY)
def groups(
    request: Request,
    viewer: Parts,
    wanted: Filter,
    sort: Annotated[str, Query(max_length=TEXT, description="count, sessions, users, first_ms, last_ms")] = "-count",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Errors by app and fingerprint, the most frequent first unless sorted otherwise."""
    return respond.json(request, viewer.error_groups.page(wanted, sort, limit))


@routes.get("/actions/clicks", response_model=answers.Clicks, openapi_extra=SECURITY)
def clicks(  # noqa: PLR0913 - FastAPI takes parameters so
    request: Request,
    viewer: Parts,
    wanted: Filter,
    app: Annotated[str, Query(max_length=TEXT, description="of this app")],  # noqa: ARG001 - a page is one of an app
    page: Annotated[str, Query(max_length=TEXT, description="a page, by its `view_path_group`")],
    limit: Annotated[int, Query(ge=1, le=500, description="elements")] = 200,
) -> Response:
    """Where visitors clicked on a page: the elements that were clicked most, and where in them.

    The filter names columns of actions. `picture` is a moment in a replay that shows the page.
    """
    return respond.json(request, viewer.click_map.of(wanted, page, limit))


@routes.get("/overview", response_model=answers.Overview, openapi_extra=SECURITY)
def overview(
    request: Request,
    viewer: Parts,
    wanted: Filter,
    top: Annotated[int, Query(ge=1, le=100, description="values of a breakdown")] = 10,
) -> Response:
    """Who came, how fast it was, what went wrong, by release, browser, country and device.

    The filter names columns that sessions, views, errors and resources have.
    """
    resolved = viewer.happened.resolved(wanted)
    return text_told(respond.json(request, viewer.overview.of(resolved, top)), resolved)
