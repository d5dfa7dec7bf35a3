"""Why a request was not taken, and what its sender is told: to send it again, or never to."""

from enum import StrEnum
from http import HTTPStatus


class Refusal(StrEnum):
    """A closed list: each is a label of the counter, each has one status."""

    MALFORMED = "malformed"  # not HTTP/1.1
    HEAD_TOO_LARGE = "head_too_large"  # request line and headers
    HEAD_SLOW = "head_slow"  # they did not come in time
    CONNECTIONS = "connections"  # too many are open: those that have owed a head for longest go first
    METHOD = "method"  # not POST
    ORIGIN = "origin"  # a site that is not on the list
    EMPTY = "empty"
    TOO_LARGE = "too_large"  # the body, or one of its messages for the broker
    ENCODING = "encoding"  # a Content-Encoding that nobody here can undo, or a body that is not what it says
    UNKNOWN_APP = "unknown_app"
    UNMASKABLE = "unmaskable"  # masking is on, and what cannot be read cannot be masked
    SLOW = "slow"  # the body did not come in time
    CUT_OFF = "cut_off"  # the sender went away before the body was whole
    ADDRESS_RATE = "address_rate"
    APP_RATE = "app_rate"
    BUSY = "busy"  # too much is waiting for the broker
    BROKER = "broker"  # the broker did not confirm


# SDKs send again after 408, 429 and 5xx, and never after any other 4xx: those are for what no retry could save.
STATUS: dict[Refusal, HTTPStatus] = {
    Refusal.MALFORMED: HTTPStatus.BAD_REQUEST,
    Refusal.HEAD_TOO_LARGE: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Refusal.HEAD_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Refusal.CONNECTIONS: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    Refusal.ORIGIN: HTTPStatus.FORBIDDEN,
    Refusal.EMPTY: HTTPStatus.BAD_REQUEST,
    Refusal.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Refusal.ENCODING: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Refusal.UNKNOWN_APP: HTTPStatus.FORBIDDEN,
    Refusal.UNMASKABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refusal.SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Refusal.CUT_OFF: HTTPStatus.BAD_REQUEST,
    Refusal.ADDRESS_RATE: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.APP_RATE: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.BROKER: HTTPStatus.SERVICE_UNAVAILABLE,
}
_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


class Refused(Exception):
    """The request is not taken. `retry_seconds`: when to try again, where that makes sense."""

    def __init__(self, reason: Refusal, retry_seconds: float = 0.0) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.retry_seconds = retry_seconds


def may_come_again(reason: Refusal) -> bool:
    """Whether a later try of the same request can succeed."""
    return STATUS[reason] in _AGAIN
