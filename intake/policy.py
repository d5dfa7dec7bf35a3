"""What the operator allows: the intake's settings as its parts need them."""

import msgspec

from operators.wire.unusable import Limits


class Rate(msgspec.Struct, frozen=True):
    """Requests a second, and how many at once; 0 a second is no limit."""

    per_second: float = 0.0
    burst: float = 0.0


class Policy(msgspec.Struct, frozen=True):
    """Of one intake process."""

    limits: Limits
    apps: frozenset[str] = frozenset()  # empty: every app
    origins: tuple[str, ...] = ("*",)
    app_rate: Rate = Rate()
    address_rate: Rate = Rate()
    rate_keys: int = 100_000
    body_seconds: float = 30.0
    pending_bytes: int = 128 << 20
    retry_seconds: float = 2.0


class GuardLimits(msgspec.Struct, frozen=True):
    """Of one server. Sizes are of a request's line and headers together, trailers included."""

    connections: int = 4096
    head_bytes: int = 32 << 10
    head_fields: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    answer_seconds: float = 30.0
