"""The ASGI application: a request in, and 2xx only once Kafka has it."""

import asyncio
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from intake.counts import Counts
from intake.policy import Policy
from intake.preparing import Prepared, Preparer
from intake.rates import Buckets
from intake.refusals import STATUS, Refusal, Refused, may_come_again
from operators.families.family import Family, Start
from operators.families.registry import FAMILIES, family_of_kind, kind_of_path
from operators.requests import Keyed, request_message, route_of
from operators.wire.message import Message, without_coding
from operators.wire.unusable import Unusable

_IN_A_THREAD_BYTES = 64 << 10  # a larger body would hold up the other requests while it is taken apart
_THREADS = 2
_DRAINED_FACTOR = 8  # up to so many times the limit is read and thrown away, so that the sender hears the answer
_JSON = "application/json"
_READ_BY_SDKS = sorted(
    {"retry-after"}.union(*(family.refusal_headers(status, 1) for family in FAMILIES for status in STATUS.values()))
)


class Writer(Protocol):
    """Where messages go. `write` returns when they are safe, and raises Refused when they may not be."""

    async def write(self, messages: list[Keyed]) -> None: ...


class Clocks(Protocol):
    """Time, given by who may read it."""

    def wall_ms(self) -> int: ...

    def seconds(self) -> float: ...


def application(policy: Policy, preparer: Preparer, writer: Writer, counts: Counts, clocks: Clocks) -> ASGIApp:
    """The whole: CORS around the service. Origins are mirrored, because SDKs that fall back to XHR send credentials."""
    return CORSMiddleware(
        Service(policy, preparer, writer, counts, clocks),
        allow_origins=policy.origins,
        allow_methods=("GET", "POST", "OPTIONS"),
        allow_headers=("*",),
        allow_credentials=True,
        expose_headers=_READ_BY_SDKS,
        max_age=86_400,
    )


class Service:
    """Answers every request. Bytes of bodies that are read or on their way to the broker are bounded."""

    def __init__(self, policy: Policy, preparer: Preparer, writer: Writer, counts: Counts, clocks: Clocks) -> None:
        self._policy = policy
        self._preparer = preparer
        self._writer = writer
        self._counts = counts
        self._clocks = clocks
        self._addresses = _buckets(policy, policy.address_rate.per_second, policy.address_rate.burst, clocks.seconds)
        self._apps = _buckets(policy, policy.app_rate.per_second, policy.app_rate.burst, clocks.seconds)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="prepare")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        route = route_of(scope["path"], scope["query_string"].decode("latin-1"))
        kind = kind_of_path(route)
        family = family_of_kind(kind)
        if kind is None or family is None:
            response = self._other(request, route)
        else:
            started = self._clocks.seconds()
            response = await self._answer(request, route, kind, family)
            self._counts.requests[kind, str(response.status_code)] += 1
            self._counts.observe_seconds(self._clocks.seconds() - started)
        await response(scope, receive, send)

    def _other(self, request: Request, route: str) -> Response:
        start = _start_answer(route) if request.method in {"GET", "POST"} else None
        kind, status = (start.name, 200) if start is not None else ("unknown route", 404)
        self._counts.requests[kind, str(status)] += 1
        return Response(start.body if start else b'{"error":"unknown route"}', status, media_type=_JSON)

    async def _answer(self, request: Request, route: str, kind: str, family: Family) -> Response:
        try:
            message = await self._take(request, route, kind)
        except Refused as refused:
            self._counts.refused[refused.reason] += 1
            status = family.refusal_status(STATUS[refused.reason])
            wait_seconds = max(1, math.ceil(refused.retry_seconds or self._policy.retry_seconds))
            headers = dict(family.refusal_headers(status, wait_seconds))
            if may_come_again(refused.reason):
                headers["retry-after"] = str(wait_seconds)
            if refused.reason is Refusal.METHOD:
                headers["allow"] = "POST, OPTIONS"
            if refused.reason is Refusal.TOO_LARGE and not self._is_drained(request):
                headers["connection"] = "close"
            body = b'{"error":"%b"}' % refused.reason.value.encode()
            return Response(body, status, headers, media_type=_JSON)
        status, body = family.taken(message)
        return Response(body, status, media_type=_JSON if body else None)

    async def _take(self, request: Request, route: str, kind: str) -> Message:
        """What came. Raises Refused unless everything of it that may be stored is in Kafka."""
        policy, counts = self._policy, self._counts
        if request.method != "POST":
            raise Refused(Refusal.METHOD)
        origin = request.headers.get("origin")
        if origin is not None and "*" not in policy.origins and origin not in policy.origins:
            raise Refused(Refusal.ORIGIN)
        address = request.client.host if request.client else ""
        _wait(self._addresses.take(address), Refusal.ADDRESS_RATE)
        declared = _declared_bytes(request.headers)
        if declared > policy.limits.message_bytes:
            raise Refused(Refusal.TOO_LARGE)
        held = _Held(counts, policy.pending_bytes)
        try:
            body = await self._body(request, held)
            if not body:
                raise Refused(Refusal.EMPTY)
            query = request.scope["query_string"].decode("latin-1")
            message = request_message(kind, query, request.headers, body, self._clocks.wall_ms(), route)
            prepared = await self._prepared(request.headers, message, address)
            for app_id in prepared.apps:
                _wait(self._apps.take(app_id), Refusal.APP_RATE)
            if prepared.keyed:  # of a request there may be nothing to store, without a fault
                await self._writer.write(prepared.keyed)
        finally:
            held.release()
        counts.stored(kind, prepared)
        return message

    async def _body(self, request: Request, held: "_Held") -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._policy.body_seconds):
                async for chunk in request.stream():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > self._policy.limits.message_bytes:
                        raise Refused(Refusal.TOO_LARGE)
                    held.grow(size)
        except TimeoutError:
            raise Refused(Refusal.SLOW) from None
        except ClientDisconnect:
            raise Refused(Refusal.CUT_OFF) from None
        return b"".join(chunks)

    async def _prepared(self, headers: Mapping[str, str], message: Message, address: str) -> Prepared:
        if "content-encoding" in headers:
            try:
                without_coding(message, self._policy.limits)
            except Unusable:
                raise Refused(Refusal.ENCODING) from None
        if len(message.value) <= _IN_A_THREAD_BYTES:
            return self._preparer.prepare(message, address)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._preparer.prepare, message, address)

    def _is_drained(self, request: Request) -> bool:
        declared = _declared_bytes(request.headers)
        return 0 < declared <= _DRAINED_FACTOR * self._policy.limits.message_bytes


class _Held:
    """A request's share of the bytes that may be in memory at once."""

    def __init__(self, counts: Counts, limit: int) -> None:
        self._counts = counts
        self._limit = limit
        self._bytes = 0

    def grow(self, to: int) -> None:
        """More has come; what is only announced counts for nothing. Raises Refused when there is no room."""
        if self._counts.pending_bytes + to - self._bytes > self._limit:
            raise Refused(Refusal.BUSY)
        self._counts.pending_bytes += to - self._bytes
        self._bytes = to

    def release(self) -> None:
        self._counts.pending_bytes -= self._bytes
        self._bytes = 0


def _start_answer(route: str) -> Start | None:
    return next((start for family in FAMILIES if (start := family.start_answer(route)) is not None), None)


def _buckets(policy: Policy, rate: float, burst: float, clock: Callable[[], float]) -> Buckets:
    return Buckets(rate, burst or 2 * rate, clock, policy.rate_keys)


def _wait(seconds: float, reason: Refusal) -> None:
    if seconds:
        raise Refused(reason, seconds)


def _declared_bytes(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
