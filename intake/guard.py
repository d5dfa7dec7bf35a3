"""What a connection may cost before, between and after requests, for a server of uvicorn.

uvicorn and its parsers bound neither the size of a head nor the time for one, and count half-open heads as connections.
So each connection is watched from the outside: which part of a request it owes, and since when. Where too many are
open, the one that has owed a head for longest makes room: whoever sends whole requests is never turned away by those
who send none.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from intake.policy import GuardLimits
from intake.refusals import STATUS, Refusal

_LINGER_SECONDS = 2.0  # what is still sent after a refusal is thrown away for that long, so that its sender hears it
_PIPELINED_MAX = 16  # requests of a connection that wait behind another one; browsers and proxies send none
_YOUNG_SECONDS = 0.5  # whoever has just come may have sent what nobody has looked at yet
_CROWD = 2  # times the limit of connections that may be open while they are young
_BODY_GRACE_SECONDS = 5.0  # the application speaks first


class _Owed(Enum):
    """What the server waits for."""

    NOTHING = 0  # the next request may come
    HEAD = 1
    BODY = 2
    ANSWER = 3  # the application


class _TooLarge(Exception):
    """Ends the parser's work on a head."""


class Guard:
    """The connections of one server. In the event loop's thread. `refused`: told of everything that is turned away."""

    def __init__(self, limits: GuardLimits, refused: Callable[[Refusal], None]) -> None:
        self.limits = limits
        self.refused = refused
        self._open: set[_Guarded] = set()
        self._waiting: dict[_Guarded, None] = {}  # those that owe a head, the oldest first
        self._leaving: dict[_Guarded, None] = {}

    def httptools(self, **options: Any) -> "GuardedHttpTools":  # noqa: ANN401 - uvicorn's own
        """A connection, made by uvicorn: for its option `http`."""
        return GuardedHttpTools(self, **options)

    def h11(self, **options: Any) -> "GuardedH11":  # noqa: ANN401 - uvicorn's own
        """The same with the other parser."""
        return GuardedH11(self, **options)

    async def look(self) -> None:
        """For uvicorn's option `callback_notify`."""
        self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now: float) -> None:
        """End what is overdue. `now`: seconds of the event loop's clock."""
        self._make_room(now)
        for one in [*self._leaving, *self._open]:
            one.check(now)

    def admit(self, one: "_Guarded") -> None:
        """A new connection; another one may have to go for it, or itself where all are at work."""
        self._open.add(one)
        self._waiting[one] = None
        self._make_room(one.since)

    def _make_room(self, now: float) -> None:
        limit = self.limits.connections
        while len(self._open) > limit and self._waiting:
            oldest = next(iter(self._waiting))
            if now - oldest.since <= _YOUNG_SECONDS and len(self._open) <= _CROWD * limit:
                break
            oldest.refuse(Refusal.CONNECTIONS)
            self.forget_waiting(oldest)

    def forget_waiting(self, one: "_Guarded") -> None:
        """It goes by itself."""
        self._open.discard(one)
        self._waiting.pop(one, None)

    def note(self, one: "_Guarded", owed: _Owed) -> None:
        """A connection owes something else now."""
        if one in self._open:
            self._waiting.pop(one, None)
            if owed in {_Owed.NOTHING, _Owed.HEAD}:
                self._waiting[one] = None

    def leaves(self, one: "_Guarded") -> None:
        """It counts no more, and has little time to go."""
        self._open.discard(one)
        self._waiting.pop(one, None)
        self._leaving[one] = None
        if len(self._leaving) > self.limits.connections:
            next(iter(self._leaving)).abort()

    def forget(self, one: "_Guarded") -> None:
        """It is closed."""
        self._open.discard(one)
        self._waiting.pop(one, None)
        self._leaving.pop(one, None)


class _Guarded(asyncio.Protocol):
    """Stands before one of uvicorn's protocols in the order of classes."""

    guard: Guard
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: FlowControl
    cycle: Any  # uvicorn's request and response; None before the first

    def begin(self, guard: Guard) -> None:
        self.guard = guard
        self._owed = _Owed.NOTHING
        self.since = self.loop.time()
        self._blocked_since: float | None = None  # the client does not read
        self._left_at: float | None = None

    def owed(self) -> _Owed:
        """As the parser sees it now."""
        raise NotImplementedError

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.guard.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.guard.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._left_at is None:
            super().data_received(data)
            owed = self.owed()
            if owed is not self._owed:
                self._note(owed)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # type: ignore[misc] # of uvicorn's protocols
        self._note(self.owed())
        if self._owed is _Owed.HEAD:
            self._unset_keepalive_if_required()  # type: ignore[attr-defined] # not idle: `check` holds

    def pause_writing(self) -> None:
        self._blocked_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._blocked_since = None
        super().resume_writing()

    def send_400_response(self, _: str) -> None:
        """What uvicorn calls for what is not HTTP."""
        self.refuse(Refusal.MALFORMED)

    def _note(self, owed: _Owed) -> None:
        self._owed = owed
        self.since = self.loop.time()
        self.guard.note(self, owed)

    def check(self, now: float) -> None:
        """End the connection when something is overdue."""
        limits = self.guard.limits
        waited = now - self.since
        if self._left_at is not None:
            if now - self._left_at > _LINGER_SECONDS:
                self.abort()
        elif self._blocked_since is not None and now - self._blocked_since > limits.answer_seconds:
            self.abort()
        elif self.transport.is_closing():
            self._leave(now)
        elif self._owed is _Owed.BODY and waited > limits.body_seconds + _BODY_GRACE_SECONDS:
            self.refuse(Refusal.SLOW)
        elif self._owed is _Owed.HEAD and waited > limits.head_seconds and not self._is_answering:
            self.refuse(Refusal.HEAD_SLOW)
        elif self._owed is _Owed.NOTHING and self.cycle is None and waited > limits.head_seconds:
            self.transport.close()  # it never said a word; later the server's own limit on idle connections holds

    def refuse(self, reason: Refusal) -> None:
        """Say no, where there is somebody to hear it, and end the connection."""
        if self._left_at is not None or self.transport.is_closing():
            return
        is_answering = self._is_answering
        if self._owed is _Owed.NOTHING:
            is_heard = self.cycle is None
        elif self._owed is _Owed.HEAD:
            is_heard = not is_answering
        else:
            is_heard = is_answering and not self.cycle.response_started
        if is_answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if is_heard:
            self.guard.refused(reason)
            self.transport.write(_ANSWERS[reason])
        self._leave(self.loop.time())
        if reason in _STILL_COMING:
            self.flow.resume_reading()
        else:
            self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    def _leave(self, now: float) -> None:
        self._left_at = now
        self.guard.leaves(self)


class GuardedHttpTools(_Guarded, HttpToolsProtocol):
    """httptools holds whatever it is given until a header or a URL is whole: its head is measured here."""

    def __init__(self, guard: Guard, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        HttpToolsProtocol.__init__(self, **options)
        self._reading = _Owed.NOTHING
        self._head_bytes = self._head_fields = 0  # of this request
        self._unread_bytes = 0  # given to the parser since it last said anything but a header
        self._steps = 0
        self._is_over = False
        self.begin(guard)

    def owed(self) -> _Owed:
        if self._reading is not _Owed.NOTHING:
            return self._reading
        if self._is_answering:
            return _Owed.ANSWER
        return _Owed.HEAD if self._unread_bytes else _Owed.NOTHING

    def data_received(self, data: bytes) -> None:
        steps = self._steps
        super().data_received(data)
        self._unread_bytes = self._unread_bytes + len(data) if steps == self._steps else 0
        if self._unread_bytes > self.guard.limits.head_bytes:
            self.refuse(Refusal.HEAD_TOO_LARGE)
        elif self._unread_bytes and self._owed is _Owed.NOTHING:
            self._note(self.owed())  # line ends before a request

    def send_400_response(self, _: str) -> None:
        self.refuse(Refusal.HEAD_TOO_LARGE if self._is_over else Refusal.MALFORMED)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _PIPELINED_MAX:
            raise ConnectionError("too many requests at once")
        self._reading = _Owed.HEAD
        self._head_bytes = self._head_fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_fields += 1
        self._measure(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._steps += 1
        self._reading = _Owed.BODY
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._steps += 1

    def on_chunk_complete(self) -> None:
        self._steps += 1

    def on_body(self, body: bytes) -> None:
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._steps += 1
        self._reading = _Owed.NOTHING
        super().on_message_complete()

    def _measure(self, size: int) -> None:
        self._head_bytes += size
        limits = self.guard.limits
        if self._head_bytes > limits.head_bytes or self._head_fields > limits.head_fields:
            self._is_over = True
            raise _TooLarge


class GuardedH11(_Guarded, H11Protocol):
    """h11 bounds the size of a head itself (`h11_max_incomplete_event_size`)."""

    def __init__(self, guard: Guard, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        H11Protocol.__init__(self, **options)
        self.begin(guard)

    def owed(self) -> _Owed:
        state = str(self.conn.their_state)
        if state == "SEND_BODY":
            return _Owed.BODY
        if state != "IDLE" or self._is_answering:
            return _Owed.ANSWER
        return _Owed.HEAD if self.conn.trailing_data[0] else _Owed.NOTHING


def _answer(status: HTTPStatus, reason: Refusal) -> bytes:
    body = b'{"error":"%b"}' % reason.value.encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    )
    again = "retry-after: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    return f"{head}{again}connection: close\r\n\r\n".encode() + body


_ANSWERS = {reason: _answer(status, reason) for reason, status in STATUS.items()}
_STILL_COMING = {Refusal.HEAD_TOO_LARGE, Refusal.MALFORMED}
