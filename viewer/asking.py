"""What routes have in common: who asks, for which sessions, and how that is described."""

from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from fastapi import Depends, Path, Query, Request, Response

from viewer import answers
from viewer.access import Caller, Credentials, NotAllowed, NotKnown
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
SECURITY: dict[str, Any] = {"security": [{"bearer": []}, {"sign-in": []}]}
OWN_HEADER = "X-Replay-Lake"  # a page elsewhere cannot send it without being allowed to
COOKIES = {True: "__Host-replaylake", False: "replaylake-sign-in"}  # by whether the browser came by https
_OWN_SITES = {"same-origin", "none"}  # `none`: the person has typed the address
_SAFE = {"GET", "HEAD"}


def parts(request: Request) -> Viewer:
    """What the service is made of."""
    viewer: Viewer = request.app.state.viewer
    return viewer


Parts = Annotated[Viewer, Depends(parts)]


async def caller(request: Request, viewer: Parts) -> Caller:
    """Who asks, by a token, a sign-in or a proxy."""
    await viewer.follower.ready()
    return known(request, viewer)


def known(request: Request, viewer: Viewer) -> Caller:
    """Who asks. What a browser sends unasked counts for our own page only. Raises NotKnown, NotAllowed."""
    found = viewer.access.caller(credentials(request))
    if found.how.is_sent_unasked:
        own_page(request)
    return found


def own_page(request: Request) -> None:
    """Raise NotAllowed when a page elsewhere may have made the browser ask this."""
    if request.headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        raise NotAllowed("this is answered to the server's own page only")
    if request.method not in _SAFE and OWN_HEADER not in request.headers:
        raise NotAllowed(f"the header {OWN_HEADER} is missing")


def credentials(request: Request) -> Credentials:
    """What the request shows of who asks."""
    names = set(request.headers.keys())
    headers = {name: request.headers.getlist(name) for name in names}
    return Credentials(client(request), headers, sign_in_cookie(request))


def sign_in_cookie(request: Request) -> str:
    """The cookie of a sign-in, "" without one."""
    return request.cookies.get(COOKIES[True]) or request.cookies.get(COOKIES[False]) or ""


def is_https(request: Request, viewer: Viewer) -> bool:
    """The browser came by https, as far as the settings or the proxy tell."""
    forwarded = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return viewer.options.public_url.startswith("https:") or "https" in {forwarded, request.url.scheme}


Who = Annotated[Caller, Depends(caller)]
Pairs = Annotated[list[Annotated[str, Query(max_length=TEXT)]], Query(max_length=_PAIRS)]


def wanted(  # noqa: PLR0913 - one parameter per kind of filter
    who: Who,
    app: Annotated[str | None, Query(max_length=TEXT, description="only this app")] = None,
    from_: Annotated[float | None, Query(alias="from", description="at or after, epoch ms")] = None,
    to: Annotated[float | None, Query(description="before, epoch ms")] = None,
    q: Annotated[
        str,
        Query(
            max_length=200,
            description="words that all occur in ids, user, pages, browser, place, version, or in what happened",
        ),
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


def text_told(answer: Response, wanted: Wanted) -> Response:
    """The answer, with a header when free text was not looked for in all that happened."""
    if wanted.texts is not None and not wanted.texts.is_whole:
        answer.headers["X-Text-Complete"] = "false"
    return answer


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
    who = _caller_or_link(request, viewer, app_id, session_id, (exp, sig))
    who.check(app_id)
    return Asked(viewer, who, client(request), app_id, session_id)


def _caller_or_link(request: Request, viewer: Viewer, app_id: str, session_id: str, link: tuple[str, str]) -> Caller:
    """Who asks by himself, if that opens the app; else the link, if there is one."""
    if not link[1] or "authorization" in request.headers:
        return known(request, viewer)
    if not viewer.access.is_open:
        with suppress(NotKnown, NotAllowed):
            own = known(request, viewer)
            own.check(app_id)
            return own
    return viewer.access.linked(app_id, session_id, *link)


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
