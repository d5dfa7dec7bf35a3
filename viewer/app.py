"""The service: routes, what becomes of errors, health, the page, and the description of it all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.errors import Damaged, ReplayLakeError, TryAgain
from sinks.store import ObjectMissing, StoreError
from viewer import (
    respond,
    routes_explorer,
    routes_lines,
    routes_overview,
    routes_replay,
    routes_session,
    routes_sign_in,
    routes_stack,
)
from viewer.access import NotAllowed, NotKnown
from viewer.asking import COOKIES
from viewer.audit import AuditFailed
from viewer.filters import BadRequest
from viewer.gate import Answered, Gate
from viewer.page_files import PageFiles
from viewer.parts import Missing, Viewer

_PAGE = Path(__file__).parent / "page"
_PAGE_FILES = {".js", ".css", ".html", ".svg"}
_ABOUT = """Sessions and replays of a lake, read-only. Times are epoch milliseconds on the visitor's clock unless a
column says otherwise; durations in rows are nanoseconds. A session may have several windows (`session_part`).
Errors are `{"error": text}`. How to use it, with examples: docs/api.md."""
_STATUS: dict[type[Exception], int] = {
    BadRequest: 400,
    NotKnown: 401,
    NotAllowed: 403,
    Missing: 404,
    ObjectMissing: 404,  # expired since its row was read
    Damaged: 502,
    AuditFailed: 503,
    TryAgain: 503,
    StoreError: 503,  # refused: until the operator has seen to it
    ReplayLakeError: 500,
}


def build(viewer: Viewer, answered: Answered) -> FastAPI:
    """The service around its parts. `answered` hears of every answer."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(one.run()) for one in (viewer.follower, viewer.copier)]
        yield
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        viewer.close()

    app = FastAPI(
        title="Replay Lake",
        version="1",
        description=_ABOUT,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.state.viewer = viewer
    for module in (
        routes_sign_in,
        routes_explorer,
        routes_overview,
        routes_lines,
        routes_session,
        routes_stack,
        routes_replay,
    ):
        app.include_router(module.routes)
    _errors(app)
    _description(app)
    _health(app, viewer)
    _page(app)
    options = viewer.options
    app.add_middleware(
        Gate,
        at_once=options.requests_at_once,
        own_names=options.own_names,
        origins=options.origins,
        answered=answered,
    )
    return app


def _errors(app: FastAPI) -> None:
    async def known(request: Request, error: Exception) -> Response:
        status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
        answer = respond.json(request, {"error": str(error)}, status)
        if status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, TryAgain):
            answer.headers["Retry-After"] = "5"
        return answer

    for kind in _STATUS:
        app.add_exception_handler(kind, known)

    @app.exception_handler(Exception)  # it is logged by the server, with its trace
    async def unexpected(request: Request, _error: Exception) -> Response:
        return respond.json(request, {"error": "internal error"}, 500)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(one) for one in first["loc"][1:])
        return respond.json(request, {"error": f"{where or 'request'}: {first['msg']}"}, 400)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        answer = respond.json(request, {"error": str(error.detail).lower()}, error.status_code)
        answer.headers.update(error.headers or {})
        return answer


def _description(app: FastAPI) -> None:
    @app.get("/api/v1/openapi.json", include_in_schema=False)
    def openapi(request: Request) -> Response:
        return respond.json(request, described(app))


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description; a wrong parameter is 400 here, not the framework's 422."""
    schema = app.openapi()
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "sign-in": {"type": "apiKey", "in": "cookie", "name": COOKIES[True]},
    }
    return schema


def _health(app: FastAPI, viewer: Viewer) -> None:
    @app.get("/health/live", include_in_schema=False)
    async def live(request: Request) -> Response:
        return respond.json(request, {"status": "ok"})

    @app.get("/health/ready", include_in_schema=False)
    async def ready(request: Request) -> Response:
        standing = viewer.standing()
        return respond.json(request, standing.model_dump(), 200 if viewer.follower.is_ready else 503)


def _page(app: FastAPI) -> None:
    files = PageFiles(_PAGE)

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return await files.answer("index.html", request)

    @app.get("/page/{path:path}", include_in_schema=False)
    async def file(path: str, request: Request) -> Response:
        if Path(path).suffix not in _PAGE_FILES or "node_modules" in path or "\0" in path:
            raise Missing("no such file")
        return await files.answer(path, request)
