"""The ASGI application: a request in, and 2xx only once Kafka has it."""

import asyncio
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from intake.cors import Cors, RawHeaders
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
_NO_BODY = {204, 304}
_JSON = (b"content-type", b"application/json")
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
    """The whole: the service, and answers to what browsers ask before they send."""
    service = Service(policy, preparer, writer, counts, clocks)
    asked_before = CORSMiddleware(
        service,
        allow_origins=policy.origins,
        allow_methods=("GET", "POST", "OPTIONS"),
        allow_headers=("*",),
        allow_credentials=True,
        max_age=86_400,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (asked_before if _is_preflight(scope) else service)(scope, receive, send)

    return app


def _is_preflight(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]} if scope["method"] == "OPTIONS" else set()
    return {b"origin", b"access-control-request-method"} <= names


class _Asked:
    """A request, its head read once. Of a header that is there twice, the first counts."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.address: str = scope["client"][0] if scope.get("client") else ""
        self.headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in reversed(scope["headers"])}

    @property
    def declared_bytes(self) -> int:
        """Of the body; 0 where the head does not say."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    async def send(self, send: Send, cors: RawHeaders) -> None:
        """As HTTP has it: without a length where the status allows no body."""
        head = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in self.headers.items()]
        if self.status not in _NO_BODY:
            head.append((b"content-length", str(len(self.body)).encode()))
        if self.body:
            head.append(_JSON)
        await send({"type": "http.response.start", "status": self.status, "headers": [*head, *cors]})
        await send({"type": "http.response.body", "body": self.body})


class Service:
    """Answers every request. Bytes of bodies that are read or on their way to the broker are bounded."""

    def __init__(self, policy: Policy, preparer: Preparer, writer: Writer, counts: Counts, clocks: Clocks) -> None:
        self._policy = policy
        self._preparer = preparer
        self._writer = writer
        self._counts = counts
        self._clocks = clocks
        self._cors = Cors(policy.origins, _READ_BY_SDKS)
        self._addresses = _buckets(policy, policy.address_rate.per_second, policy.address_rate.burst, clocks.seconds)
        self._apps = _buckets(policy, policy.app_rate.per_second, policy.app_rate.burst, clocks.seconds)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="prepare")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _Asked(scope)
        route = route_of(asked.path, asked.query)
        kind = kind_of_path(route)
        family = family_of_kind(kind)
        if kind is None or family is None:
            answer = self._other(asked, route)
        else:
            started = self._clocks.seconds()
            answer = await self._answer(asked, receive, route, kind, family)
            self._counts.requests[kind, str(answer.status)] += 1
            self._counts.observe_seconds(self._clocks.seconds() - started)
        await answer.send(send, self._cors.headers(asked.headers.get("origin")))

    def _other(self, asked: _Asked, route: str) -> _Answer:
        start = _start_answer(route) if asked.method in {"GET", "POST"} else None
        kind, status = (start.name, 200) if start is not None else ("unknown route", 404)
        self._counts.requests[kind, str(status)] += 1
        return _Answer(status, start.body if start else b'{"error":"unknown route"}')

    async def _answer(self, asked: _Asked, receive: Receive, route: str, kind: str, family: Family) -> _Answer:
        try:
            message = await self._take(asked, receive, route, kind)
        except Refused as refused:
            self._counts.refused[refused.reason] += 1
            status = family.refusal_status(STATUS[refused.reason])
            wait_seconds = max(1, math.ceil(refused.retry_seconds or self._policy.retry_seconds))
            headers = dict(family.refusal_headers(status, wait_seconds))
            if may_come_again(refused.reason):
                headers["retry-after"] = str(wait_seconds)
            if refused.reason is Refusal.METHOD:
                headers["allow"] = "POST, OPTIONS"
            if refused.reason is Refusal.TOO_LARGE and not self._is_drained(asked):
                headers["connection"] = "close"
            return _Answer(status, b'{"error":"%b"}' % refused.reason.value.encode(), headers)
        return _Answer(*family.taken(message))

    async def _take(self, asked: _Asked, receive: Receive, route: str, kind: str) -> Message:
        """What came. Raises Refused unless everything of it that may be stored is in Kafka."""
        policy, counts = self._policy, self._counts
        if asked.method != "POST":
            raise Refused(Refusal.METHOD)
        origin = asked.headers.get("origin")
        if origin is not None and not self._cors.allows(origin):
            raise Refused(Refusal.ORIGIN)
        _wait(self._addresses.take(asked.address), Refusal.ADDRESS_RATE)
        if asked.declared_bytes > policy.limits.message_bytes:
            raise Refused(Refusal.TOO_LARGE)
        held = _Held(counts, policy.pending_bytes)
        try:
            body = await self._body(receive, held)
            if not body:
                raise Refused(Refusal.EMPTY)
            message = request_message(kind, asked.query, asked.headers, body, self._clocks.wall_ms(), route)
            prepared = await self._prepared(message, asked)
            for app_id in prepared.apps:
                _wait(self._apps.take(app_id), Refusal.APP_RATE)
            if prepared.keyed:  # of a request there may be nothing to store, without a fault
                await self._writer.write(prepared.keyed)
        finally:
            held.release()
        counts.stored(kind, prepared)
        return message

    async def _body(self, receive: Receive, held: "_Held") -> bytes:
        chunks: list[bytes] = []
        size = 0
        limit = _TimeLimit(self._policy.body_seconds)
        try:
            is_whole = False
            while not is_whole:
                event = await receive()
                if event["type"] != "http.request":
                    raise Refused(Refusal.CUT_OFF)
                chunks.append(event.get("body", b""))
                size += len(chunks[-1])
                if size > self._policy.limits.message_bytes:
                    raise Refused(Refusal.TOO_LARGE)
                held.grow(size)
                is_whole = not event.get("more_body", False)
        except asyncio.CancelledError:
            if limit.has_ended_it():
                raise Refused(Refusal.SLOW) from None
            raise
        finally:
            limit.over()
        return b"".join(chunks)

    async def _prepared(self, message: Message, asked: _Asked) -> Prepared:
        if "content-encoding" in asked.headers:
            try:
                without_coding(message, self._policy.limits)
            except Unusable:
                raise Refused(Refusal.ENCODING) from None
        if len(message.value) <= _IN_A_THREAD_BYTES:
            return self._preparer.prepare(message, asked.address)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._preparer.prepare, message, asked.address)

    def _is_drained(self, asked: _Asked) -> bool:
        return 0 < asked.declared_bytes <= _DRAINED_FACTOR * self._policy.limits.message_bytes


class _TimeLimit:
    """As `asyncio.timeout` of the running task, in a quarter of its time."""

    def __init__(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._is_over = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end)

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()

    def has_ended_it(self) -> bool:
        """Whether the task was cancelled for its time, and for nothing else."""
        return self._is_over and self._task.uncancel() == 0

    def over(self) -> None:
        """The work is done; it must be called."""
        self._timer.cancel()


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
