"""What routes have in common: who asks, for which sessions, and how that is described."""

from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from fastapi import Depends, Path, Query, Request

from viewer import answers
from viewer.access import Caller
from viewer.filters import BadRequest, Wanted
from viewer.parts import Viewer

PREFIX = "/api/v1"
SESSION = "/apps/{app}/sessions/{session}"
TEXT = 1024  # characters of a value
_PAIRS = 40
_EVENTS = 10

Responses = dict[int | str, dict[str, Any]]
FAILURES: Responses = {
    400: {"model": answers.Failure, "description": "The request is wrong"},
    401: {"model": answers.Failure, "description": "No token, or an unknown one"},
    403: {"model": answers.Failure, "description": "The token may not read that app"},
    429: {"model": answers.Failure, "description": "Too many requests at once: ask again after `Retry-After` seconds"},
    503: {"model": answers.Failure, "description": "The lake cannot be read now"},
}
MISSING: Responses = {404: {"model": answers.Failure, "description": "No such session, or no such part of it"}}
DAMAGED: Responses = {502: {"model": answers.Failure, "description": "The recording is damaged"}}
SECURITY: dict[str, Any] = {"security": [{"bearer": []}]}


def parts(request: Request) -> Viewer:
    """What the service is made of."""
    viewer: Viewer = request.app.state.viewer
    return viewer


Parts = Annotated[Viewer, Depends(parts)]


async def caller(request: Request, viewer: Parts) -> Caller:
    """Who asks, by a bearer token."""
    await viewer.follower.ready()
    return viewer.access.bearer(request.headers.get("authorization"))


Who = Annotated[Caller, Depends(caller)]
Pairs = Annotated[list[Annotated[str, Query(max_length=TEXT)]], Query(max_length=_PAIRS)]


def wanted(  # noqa: PLR0913 - one parameter per kind of filter
    who: Who,
    app: Annotated[str | None, Query(max_length=TEXT, description="only this app")] = None,
    from_: Annotated[float | None, Query(alias="from", description="at or after, epoch ms")] = None,
    to: Annotated[float | None, Query(description="before, epoch ms")] = None,
    q: Annotated[
        str, Query(max_length=200, description="words that all occur in ids, user, pages, browser, place, version")
    ] = "",
    is_: Annotated[
        Pairs, Query(alias="is", description="column:value; empty is unknown; of one column any may hold")
    ] = [],
    not_: Annotated[Pairs, Query(alias="not", description="column:value that does not hold")] = [],
    gt: Annotated[Pairs, Query(description="column:value, the column is greater")] = [],
    lt: Annotated[Pairs, Query(description="column:value, the column is less")] = [],
    between: Annotated[Pairs, Query(description="column:low,high, both included")] = [],
) -> Wanted:
    """Which rows, of those that the caller may read."""
    if app is not None:
        who.check(app)
    return Wanted(who.apps, app, from_, to, q, is_, not_, gt, lt, between)


Filter = Annotated[Wanted, Depends(wanted)]
_Events = Annotated[list[Annotated[str, Query(max_length=TEXT)]], Query(max_length=_EVENTS)]


def wanted_sessions(
    viewer: Parts,
    wanted: Filter,
    has: Annotated[_Events, Query(description="table.column:value, a line of that kind; also > and < for :")] = [],
    hasnot: Annotated[_Events, Query(description="the same, and there is none")] = [],
) -> Wanted:
    """Which sessions, also by what happened in them."""
    return viewer.happened.resolved(wanted, has, hasnot)


SessionFilter = Annotated[Wanted, Depends(wanted_sessions)]


class Asked(msgspec.Struct, frozen=True):
    """A session that the caller may read, should there be one."""

    viewer: Viewer
    caller: Caller
    client: str
    app_id: str
    session_id: str

    def note(self, what: str, **more: int) -> None:
        """Put it into the audit log."""
        self.viewer.audit.note(self.caller, self.client, what, self.app_id, self.session_id, **more)


# As it comes an id is still percent-encoded, so its length is looked at when it is decoded.
_Id = Annotated[str, Path(description="percent-encoded, `/` too", json_schema_extra={"maxLength": TEXT})]


async def asked(  # noqa: PLR0913 - FastAPI takes parameters so
    request: Request,
    viewer: Parts,
    app: _Id,
    session: _Id,
    exp: Annotated[str, Query(max_length=20, description="of a link")] = "",
    sig: Annotated[str, Query(max_length=TEXT, description="of a link")] = "",
) -> Asked:
    """The session of the path, for a token or a link to it."""
    await viewer.follower.ready()
    app_id, session_id = _decoded(app), _decoded(session)
    if sig and "authorization" not in request.headers:
        who = viewer.access.linked(app_id, session_id, exp, sig)
    else:
        who = viewer.access.bearer(request.headers.get("authorization"))
    who.check(app_id)
    return Asked(viewer, who, client(request), app_id, session_id)


Of = Annotated[Asked, Depends(asked)]


def client(request: Request) -> str:
    """Address of the caller, or of the proxy before us."""
    return request.client.host if request.client else ""


def _decoded(segment: str) -> str:
    try:
        found = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("an id is UTF-8") from None
    if len(found) > TEXT:
        raise BadRequest(f"an id has at most {TEXT} characters")
    return found
