"""Routes of a session's replay: what there is to play, its events, and the blobs as they are."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response

from schemas.keys import style_key
from viewer import answers, respond
from viewer.asking import DAMAGED, FAILURES, MISSING, PREFIX, SECURITY, SESSION, Asked, Of
from viewer.parts import Found, Missing
from viewer.player import Planned, PlannedBlob, as_json

_BINARY = {"application/zstd": {"schema": {"type": "string", "format": "binary"}}}

_Name = Annotated[str, Path(max_length=32, description="name in the list of blobs, or place in it, from 0")]

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
    encoding = respond.encoding_for(request)
    return respond.packed(request, of.viewer.player.sent(planned, track, chunk, encoding, with_notes=notes))


@routes.get(f"{SESSION}/replay/blobs", response_model=answers.Blobs, openapi_extra=SECURITY)
def blobs(request: Request, of: Of) -> Response:
    """The blobs themselves, for a player that reads docs/formats.md."""
    base = f"{PREFIX}/apps/{quote(of.app_id, safe='')}/sessions/{quote(of.session_id, safe='')}/replay/blobs"
    query = f"?{of.caller.link}" if of.caller.link else ""
    found = [
        {
            "url": f"{base}/{blob.tag}{query}",
            "bytes": blob.size,
            "part": blob.place.part,
            "revision": blob.place.revision,
            "styles": [f"{base}/{blob.tag}/styles/{digest}{query}" for digest in blob.styles],
        }
        for blob in _planned(of).blobs
    ]
    return respond.json(request, {"blobs": found})


@routes.head(f"{SESSION}/replay/blobs/{{name}}", include_in_schema=False)
@routes.get(
    f"{SESSION}/replay/blobs/{{name}}",
    response_class=Response,
    responses={
        200: {"content": _BINARY, "description": "The blob"},
        206: {"content": _BINARY, "description": "The range of it"},
        304: {"description": "The caller has it: `If-None-Match`"},
        416: {"description": "The range lies outside"},
    },
    openapi_extra=SECURITY,
)
def blob(
    request: Request,
    of: Of,
    name: _Name,
    range: Annotated[str | None, Header(max_length=200, description="one range of bytes")] = None,  # noqa: A002, ARG001 - described here, read from the request
) -> Response:
    """One blob, or a byte range of it."""
    number, found = _named(of, name)
    of.note("blob", blob=number)
    caching = respond.BLOB_CACHING if name == found.tag else respond.ASK_AGAIN
    return respond.blob(request, of.viewer.store, found.place.key, found.size, found.tag, caching)


@routes.get(
    f"{SESSION}/replay/blobs/{{name}}/styles/{{digest}}",
    response_class=Response,
    responses={
        200: {"content": _BINARY, "description": "The style as it is stored"},
        304: {"description": "The caller has it: `If-None-Match`"},
    },
    openapi_extra=SECURITY,
)
def style(request: Request, of: Of, name: _Name, digest: Annotated[str, Path(max_length=64)]) -> Response:
    """A style that a blob needs; its name is the SHA-256 of its text, so it never changes."""
    _, found = _named(of, name)
    if digest not in found.styles:
        raise Missing("no such style")
    key = style_key(found.place.key, digest)
    size = of.viewer.store.size(key)
    return respond.blob(request, of.viewer.store, key, size, digest, respond.STYLE_CACHING)


def _named(of: Asked, name: str) -> tuple[int, PlannedBlob]:
    """A blob by its place in the list, which a later revision can move, or by its tag, which is of its content."""
    for number, blob in enumerate(_planned(of).blobs):
        if name in (blob.tag, str(number)):
            return number, blob
    raise Missing("no such blob")


def _planned(of: Asked) -> Planned:
    return _plan_of(of, of.viewer.session(of.app_id, of.session_id))


def _plan_of(of: Asked, found: Found) -> Planned:
    return of.viewer.player.planned(of.app_id, of.session_id, found.closed, found.opened.windows)
