"""The HTTP API: its routes, and what they need."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, FastAPI, Query, Request, Response

from replay.catalog import Row
from replay.track import ConversionError
from schemas.tables import TABLES
from sinks.store import ObjectStore, StoreError
from viewer import explorer
from viewer.filters import BadRequest, Wanted
from viewer.player import Player, as_json
from viewer.session_index import SessionIndex
from viewer.session_rows import SessionRows

PREFIX = "/api/v1"
_FACETS = ("browser", "country")
_NOT_FACETS = {"session_id", "revision", "replay_key"}


class Missing(Exception):
    """There is no such thing, or the caller may not know of it."""


class Viewer:
    """The parts that answer."""

    def __init__(self, store: ObjectStore, index: SessionIndex, refresh_seconds: float) -> None:
        self.store, self.index = store, index
        self.rows = SessionRows(store, index)
        self.player = Player(store, self.rows)
        self.refresh_seconds = refresh_seconds
        self.is_ready = asyncio.Event()

    async def follow(self) -> None:
        while True:
            with suppress(StoreError):
                await asyncio.to_thread(self.index.refresh)
                self.is_ready.set()
            await asyncio.sleep(self.refresh_seconds)

    def windows(self, app_id: str, session_id: str) -> list[Row]:
        found = explorer.window_rows(self.index, app_id, session_id)
        if not found:
            raise Missing("no such session")
        return found


def build(viewer: Viewer) -> FastAPI:
    """The service."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(viewer.follow())
        yield
        following.cancel()

    app = FastAPI(
        title="Replay Lake",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        lifespan=lifespan,
    )
    api = APIRouter(prefix=PREFIX)

    @app.exception_handler(BadRequest)
    async def _bad(_request: Request, error: Exception) -> Response:
        return answer({"error": str(error)}, 400)

    @app.exception_handler(Missing)
    async def _missing(_request: Request, error: Exception) -> Response:
        return answer({"error": str(error)}, 404)

    @app.middleware("http")
    async def _wait(request: Request, go_on):
        if request.url.path.startswith(PREFIX):
            await viewer.is_ready.wait()
        return await go_on(request)

    def wanted(
        app: str | None = None,
        from_: Annotated[float | None, Query(alias="from")] = None,
        to: float | None = None,
        q: str = "",
        is_: Annotated[list[str], Query(alias="is")] = [],
        not_: Annotated[list[str], Query(alias="not")] = [],
        gt: Annotated[list[str], Query()] = [],
        lt: Annotated[list[str], Query()] = [],
    ) -> Wanted:
        return Wanted(None, app, from_, to, q, is_, not_, gt, lt)

    from fastapi import Depends

    Filter = Annotated[Wanted, Depends(wanted)]

    @api.get("/apps")
    def apps():
        return answer({"apps": explorer.apps(viewer.index, None)})

    @api.get("/fields")
    def fields():
        return answer(
            {
                "fields": [
                    {
                        "name": f.name,
                        "type": f.type,
                        "unit": f.unit,
                        "doc": f.doc,
                        "facet": f.type in {"string", "bool"} and f.name not in _NOT_FACETS,
                    }
                    for f in TABLES["sessions"].fields
                ]
            }
        )

    @api.get("/sessions")
    def sessions(
        filter: Filter, sort: str = "-start", limit: Annotated[int, Query(ge=1, le=500)] = 50, cursor: str = ""
    ):
        return answer(explorer.sessions(viewer.index, filter, sort, limit, cursor))

    @api.get("/facets")
    def facets(filter: Filter, columns: str, top: Annotated[int, Query(ge=1, le=100)] = 10):
        return answer({"facets": explorer.facets(viewer.index, filter, [c for c in columns.split(",") if c], top)})

    @api.get("/histogram")
    def histogram(filter: Filter, buckets: Annotated[int, Query(ge=1, le=500)] = 60):
        return answer(explorer.histogram(viewer.index, filter, buckets))

    @api.get("/apps/{app}/sessions/{sid}")
    def session(app: str, sid: str):
        return answer({"windows": viewer.windows(app, sid), "live": False})

    @api.get("/apps/{app}/sessions/{sid}/timeline")
    def timeline(app: str, sid: str, part: int | None = None):
        return answer(viewer.rows.timeline(app, sid, viewer.windows(app, sid), part))

    @api.get("/apps/{app}/sessions/{sid}/replay")
    def replay(app: str, sid: str):
        planned = viewer.player.planned(app, sid, viewer.windows(app, sid))
        return answer({"live": False, "tracks": as_json(planned)})

    @api.get("/apps/{app}/sessions/{sid}/replay/events")
    def events(app: str, sid: str, track: int = 0, chunk: int = 0):
        planned = viewer.player.planned(app, sid, viewer.windows(app, sid))
        if not 0 <= track < len(planned.tracks) or not 0 <= chunk < len(planned.tracks[track]):
            raise Missing("no such chunk")
        return answer(viewer.player.events(planned, planned.tracks[track][chunk]))

    app.include_router(api)
    page = Path(__file__).parent / "page"
    types = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}

    @app.get("/page/{path:path}")
    def files(path: str):
        found = (page / path).resolve()
        if not found.is_relative_to(page) or found.suffix not in types or not found.is_file():
            raise Missing("no such file")
        return Response(found.read_bytes(), media_type=types[found.suffix])

    @app.get("/")
    def index():
        return Response((page / "index.html").read_bytes(), media_type="text/html")

    return app


def answer(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
