"""Routes of one session: its windows, its timeline, and links to it."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from viewer import answers, respond
from viewer.asking import FAILURES, MISSING, PREFIX, SECURITY, SESSION, Of, Parts, Who, client, is_https

routes = APIRouter(prefix=PREFIX, responses=FAILURES, tags=["session"])


@routes.get(SESSION, response_model=answers.Session, responses=MISSING, openapi_extra=SECURITY)
def session(request: Request, viewer: Parts, of: Of) -> Response:
    """The windows of a session."""
    found = viewer.session(of.app_id, of.session_id)
    of.note("session")
    return respond.json(request, {"windows": found.windows(), "live": found.opened.is_live})


@routes.get(f"{SESSION}/timeline", response_model=answers.Timeline, responses=MISSING, openapi_extra=SECURITY)
def timeline(
    request: Request,
    viewer: Parts,
    of: Of,
    part: Annotated[int | None, Query(ge=0, description="only this window")] = None,
) -> Response:
    """Views, actions, errors, resources and long tasks, with all their columns."""
    found = viewer.session(of.app_id, of.session_id)
    of.note("timeline")
    lines = viewer.rows.timeline(of.app_id, of.session_id, found.closed, found.opened.windows, part)
    return respond.json(request, lines)


@routes.post("/links", response_model=answers.Link, openapi_extra=SECURITY)
def links(request: Request, viewer: Parts, who: Who, body: answers.LinkWanted) -> Response:
    """Make a link that opens one session, for somebody without a token."""
    who.check(body.app)
    seconds = min(body.seconds, viewer.options.link_seconds_max)
    expires, signature = viewer.access.sign(who, body.app, body.session_id, seconds)
    viewer.audit.note(who, client(request), "link", body.app, body.session_id, seconds=seconds)
    query = urlencode({"app": body.app, "session": body.session_id, "exp": expires, "sig": signature})
    scheme = "https" if is_https(request, viewer) else "http"
    base = viewer.options.public_url or f"{scheme}://{request.url.netloc}"
    return respond.json(request, {"url": f"{base}/?{query}", "expires_ms": viewer.access.expires_ms(expires)})
