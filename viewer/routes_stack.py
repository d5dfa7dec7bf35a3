"""The route of a stack: what was recorded, in the positions of the sources."""

from fastapi import APIRouter, Request, Response
from msgspec import to_builtins

from viewer import answers, respond
from viewer.access import How
from viewer.asking import FAILURES, PREFIX, SECURITY, SESSION, Of

routes = APIRouter(prefix=PREFIX, responses=FAILURES, tags=["session"])


@routes.post(f"{SESSION}/stack", response_model=answers.Stack, openapi_extra=SECURITY)
def stack(request: Request, of: Of, body: answers.StackWanted) -> Response:
    """A stack of this session with names, files and lines of the sources, where there are source maps of the release.

    Holds nothing of the session that the caller has not sent, so it is not in the audit log. A link shows no source.
    """
    with_lines = of.caller.how is not How.LINK
    found = of.viewer.source_maps.resolved(of.app_id, body.release, body.stack, with_lines=with_lines)
    return respond.json(request, to_builtins(found))
