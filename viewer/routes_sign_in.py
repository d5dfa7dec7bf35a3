"""Routes of who is there: sign in with a token, sign out, and what the caller is known as."""

from fastapi import APIRouter, Request, Response

from schemas.units import MS_PER_SECOND
from viewer import answers, respond
from viewer.access import Caller, NotKnown
from viewer.asking import (
    COOKIES,
    FAILURES,
    PREFIX,
    SECURITY,
    Parts,
    Who,
    client,
    is_https,
    own_page,
    sign_in_cookie,
)
from viewer.filters import BadRequest

routes = APIRouter(prefix=PREFIX, responses=FAILURES, tags=["sign-in"])


@routes.get("/who", response_model=answers.Known, openapi_extra=SECURITY)
def whoami(request: Request, who: Who) -> Response:
    """What the caller is known as, and by what."""
    return respond.json(request, _known(who))


@routes.post("/sign-in", response_model=answers.Known)
async def sign_in(request: Request, viewer: Parts, body: answers.SignIn) -> Response:
    """Show a token once: the answer sets a cookie that stands for it. For browsers; needs the header X-Replay-Lake."""
    own_page(request)
    if not viewer.access.has_tokens:
        raise BadRequest("this server has no tokens to sign in with")
    try:
        known, cookie = viewer.access.sign_in(body.token, viewer.options.sign_in_seconds)
    except NotKnown:
        viewer.refused(client(request))
        raise
    answer = respond.json(request, _known(known))
    _set(answer, cookie, viewer.options.sign_in_seconds, is_secure=is_https(request, viewer))
    return answer


@routes.post("/sign-out", response_model=answers.Known, openapi_extra=SECURITY)
def sign_out(request: Request, viewer: Parts, who: Who) -> Response:
    """End the sign-in of this browser: its cookie goes, and is not accepted any more."""
    own_page(request)
    viewer.access.sign_out(sign_in_cookie(request))
    answer = respond.json(request, _known(who))
    for is_secure in COOKIES:
        if COOKIES[is_secure] in request.cookies:
            _set(answer, "", 0, is_secure=is_secure)
    return answer


def _set(answer: Response, cookie: str, seconds: int, *, is_secure: bool) -> None:
    answer.set_cookie(
        COOKIES[is_secure], cookie, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="strict"
    )


def _known(caller: Caller) -> dict[str, object]:
    return {
        "name": caller.name,
        "how": caller.how,
        "apps": None if caller.apps is None else sorted(caller.apps),
        "expires_ms": None if caller.expires is None else caller.expires * MS_PER_SECOND,
    }
