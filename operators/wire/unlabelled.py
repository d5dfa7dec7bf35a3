"""A message whose headers do not name its type: what there is to tell it by, worked out when it is asked for."""

from collections.abc import Mapping
from functools import cached_property

from operators.wire.form import form_parts
from operators.wire.inflate import is_zlib
from operators.wire.message import Message, inflated
from operators.wire.unusable import Limits

_START_BYTES = 4096


class Unlabelled:
    """Of one message, content encoding undone. What needs the body may raise Unusable."""

    def __init__(self, message: Message, limits: Limits) -> None:
        self.message = message
        self.limits = limits

    @property
    def headers(self) -> Mapping[str, bytes]:
        """Names in lower case."""
        return self.message.headers

    @property
    def is_form(self) -> bool:
        """Begins as a multipart body does."""
        return self.message.value.startswith(b"--")

    @cached_property
    def parts(self) -> Mapping[str, bytes]:
        """Of the form; without one, the headers."""
        return form_parts(self.message)

    @property
    def is_zlib(self) -> bool:
        """As SDKs compress a segment."""
        return is_zlib(self.message.value)

    @cached_property
    def body(self) -> bytes:
        """Inflated."""
        return inflated(self.message, self.limits)

    @cached_property
    def start(self) -> bytes:
        """Of the body, without white space before it."""
        return self.body[:_START_BYTES].lstrip()
