"""Before and behind every route: who gets a place, whose host it is, and the headers of every answer."""

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec
from fastapi import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.units import KIB
from viewer.places import Places

API = "/api/"
STAGE = "/page/stage.html"
_BODY_BYTES = 64 * KIB
_TARGET_BYTES = 16 * KIB
_PLAYERS_WAITING = 16  # for each that may be inside
_PLAYER_SECONDS = 20.0  # before a player is told to come again
_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


Answered = Callable[[str, int, float], None]
"""`answered(route, status, seconds)` hears of every answer; a route as it is described, without ids."""


class Gate:
    """ASGI middleware. `own_names`: the only hosts it answers to, None for any; `origins`: see `stage_policy`."""

    def __init__(
        self, app: ASGIApp, at_once: int, own_names: frozenset[str] | None, origins: Sequence[str], answered: Answered
    ) -> None:
        self._app = app
        self._answered = answered
        self._places = Places(at_once)
        self._own_names = own_names
        self._page_policy = page_policy()
        self._stage_policy = stage_policy(origins)
        self._players = Places(at_once, _PLAYERS_WAITING, _PLAYER_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        now = asyncio.get_running_loop().time
        begun, status = now(), 500  # of an answer that never began

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        inside = dict(scope)
        try:
            await self._let_in(inside, receive, noted)
        finally:
            self._answered(_route(inside), status, now() - begun)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["path"].startswith(API)
        outwards = self._with_headers(send, is_api=is_api, is_stage=scope["path"] == STAGE)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, outwards)
            return
        if is_api:  # ids are data: a `%2F` in one does not end it
            scope["path"] = scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace")
            await self._in_a_place(self._players if _plays(scope) else self._places, scope, receive, outwards)
        else:
            await self._app(scope, receive, outwards)

    async def _in_a_place(self, places: Places, scope: Scope, receive: Receive, send: Send) -> None:
        caller = _caller(scope)
        if not await places.enter(caller):
            await _failure(429, "too many requests at once", {"Retry-After": "1"})(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            places.leave(caller)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if self._own_names is not None and _host(headers.get("host", "")) not in self._own_names:
            # A page elsewhere may have its name resolve to this machine; without tokens only the name tells it from us.
            return _failure(403, "this server answers to its own name only")
        if len(scope.get("raw_path", b"")) + len(scope.get("query_string", b"")) > _TARGET_BYTES:
            return _failure(400, "the address is too long")
        if headers.get("transfer-encoding") or _number(headers.get("content-length", "0")) > _BODY_BYTES:
            return _failure(400, f"a body has a length, of at most {_BODY_BYTES} bytes")
        return None

    def _with_headers(self, send: Send, *, is_api: bool, is_stage: bool) -> Send:
        async def outwards(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = (
                    _API_POLICY if is_api else self._stage_policy if is_stage else self._page_policy
                )
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "SAMEORIGIN" if is_stage else "DENY"
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-DNS-Prefetch-Control"] = "off"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
                headers.setdefault("Cache-Control", "no-store" if is_api else "no-cache")
            await send(message)

        return outwards


_API_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


def page_policy() -> str:
    """Of the page: its own scripts and styles, nothing else."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def stage_policy(origins: Sequence[str]) -> str:
    """Of the frame that plays: what was recorded has styles of its own and may load from these origins alone."""
    allowed = "".join(f" {origin}" for origin in origins)
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'{allowed}; "
        f"img-src data: blob:{allowed}; font-src data:{allowed}; media-src data: blob:{allowed}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


def own_names(host: str) -> frozenset[str]:
    """Names under which a server bound to loopback is asked."""
    return frozenset({*_LOCAL_NAMES, host.strip("[]").lower()})


def _caller(scope: Scope) -> str:
    """Whose place it is: an address, and behind a proxy, where all have one, a token. Not looked at any closer."""
    address = (scope.get("client") or ("",))[0]
    return f"{address} {Headers(scope=scope).get('authorization', '')}"


def _route(scope: Scope) -> str:
    """Few different ones, whatever is asked."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else "page" if not scope["path"].startswith(API) else "none"


def _plays(scope: Scope) -> bool:
    """Whether a player asks: many of them watch one session, and each needs an answer."""
    path: bytes = scope.get("raw_path", b"")
    _, found, rest = path.rpartition(b"/sessions/")
    _, _, part = rest.partition(b"/")
    return bool(found) and (not part or part.startswith(b"replay"))


def _host(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else _BODY_BYTES + 1


def _failure(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode({"error": error}), status, headers, "application/json")
