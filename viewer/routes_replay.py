"""Routes of a session's replay: what there is to play, its events, and the blobs as they are."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response

from lake.notes import track_notes
from schemas.keys import style_key
from viewer import answers, respond
from viewer.asking import DAMAGED, FAILURES, MISSING, PREFIX, SECURITY, SESSION, Asked, Of
from viewer.parts import Found, Missing
from viewer.player import Planned, as_json

_BINARY = {"application/zstd": {"schema": {"type": "string", "format": "binary"}}}

routes = APIRouter(prefix=PREFIX, responses=FAILURES | MISSING | DAMAGED, tags=["replay"])


@routes.get(f"{SESSION}/replay", response_model=answers.Replay, openapi_extra=SECURITY)
def replay(request: Request, of: Of) -> Response:
    """What there is to play, and what of it is lost. Without a recording there are no tracks."""
    found = of.viewer.session(of.app_id, of.session_id)
    planned = _plan_of(of, found)
    told = [note.as_json() for note in planned.notes]
    answer = {"live": found.opened.is_live, "tracks": as_json(planned), "notes": told, "missing": planned.missing}
    return respond.json(request, answer)


@routes.get(
    f"{SESSION}/replay/events", response_model=list[answers.Event] | answers.ChunkEvents, openapi_extra=SECURITY
)
def events(
    request: Request,
    of: Of,
    track: Annotated[int, Query(ge=0)] = 0,
    chunk: Annotated[int, Query(ge=0)] = 0,
    *,
    notes: Annotated[bool, Query(description="answer an object that also says what could not be converted")] = False,
) -> Response:
    """The rrweb events of one chunk, whatever SDK has recorded them."""
    planned = _planned(of)
    if track >= len(planned.tracks) or chunk >= len(planned.tracks[track]):
        raise Missing("no such chunk")
    of.note("replay", track=track, chunk=chunk)
    found = of.viewer.player.played(planned, planned.tracks[track][chunk])
    if not notes:
        return respond.json(request, found.events)
    told = [note.as_json() | {"track": track} for note in track_notes(found)]
    return respond.json(request, {"events": found.events, "notes": told})


@routes.get(f"{SESSION}/replay/blobs", response_model=answers.Blobs, openapi_extra=SECURITY)
def blobs(request: Request, of: Of) -> Response:
    """The blobs themselves, for a player that reads docs/formats.md."""
    base = f"{PREFIX}/apps/{quote(of.app_id, safe='')}/sessions/{quote(of.session_id, safe='')}/replay/blobs"
    query = f"?{of.caller.link}" if of.caller.link else ""
    planned = _planned(of)
    found = [
        {
            "url": f"{base}/{number}{query}",
            "bytes": of.viewer.store.size(blob.key),
            "part": blob.part,
            "revision": blob.revision,
            "styles": [f"{base}/{number}/styles/{digest}{query}" for digest in planned.styles[blob.key]],
        }
        for number, blob in enumerate(planned.blobs)
    ]
    return respond.json(request, {"blobs": found})


@routes.head(f"{SESSION}/replay/blobs/{{number}}", include_in_schema=False)
@routes.get(
    f"{SESSION}/replay/blobs/{{number}}",
    response_class=Response,
    responses={
        200: {"content": _BINARY, "description": "The blob"},
        206: {"content": _BINARY, "description": "The range of it"},
        416: {"description": "The range lies outside"},
    },
    openapi_extra=SECURITY,
)
def blob(
    request: Request,
    of: Of,
    number: Annotated[int, Path(ge=0)],
    range: Annotated[str | None, Header(max_length=200, description="one range of bytes")] = None,  # noqa: A002, ARG001 - described here, read from the request
) -> Response:
    """One blob, or a byte range of it."""
    found = _planned(of).blobs
    if number >= len(found):
        raise Missing("no such blob")
    of.note("blob", blob=number)
    wanted = found[number]
    return respond.blob(request, of.viewer.store, wanted.key, f"{wanted.part}.{wanted.revision}")


@routes.get(
    f"{SESSION}/replay/blobs/{{number}}/styles/{{digest}}",
    response_class=Response,
    responses={200: {"content": _BINARY, "description": "The style as it is stored"}},
    openapi_extra=SECURITY,
)
def style(
    request: Request, of: Of, number: Annotated[int, Path(ge=0)], digest: Annotated[str, Path(max_length=64)]
) -> Response:
    """A style that a blob needs; its name is the SHA-256 of its text, so it never changes."""
    planned = _planned(of)
    if number >= len(planned.blobs) or digest not in planned.styles[planned.blobs[number].key]:
        raise Missing("no such style")
    return respond.blob(request, of.viewer.store, style_key(planned.blobs[number].key, digest), digest)


def _planned(of: Asked) -> Planned:
    return _plan_of(of, of.viewer.session(of.app_id, of.session_id))


def _plan_of(of: Asked, found: Found) -> Planned:
    return of.viewer.player.planned(of.app_id, of.session_id, found.closed, found.opened.windows)
