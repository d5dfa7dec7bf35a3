"""Who may read what: bearer tokens with their apps, and signed links that open one session for a while."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping

import msgspec

from schemas.units import MS_PER_SECOND

ALL_APPS = "*"
_LINK_FORMAT = "replaylake-link-1"


class NotKnown(Exception):
    """Nobody we know: no token, a wrong one, a link that has expired or was never ours."""


class NotAllowed(Exception):
    """Known, but not for this."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token: the SHA-256 of it, in hexadecimal, and the apps it may read (`*`: all)."""

    sha256: str
    apps: frozenset[str]


class Caller(msgspec.Struct, frozen=True):
    """Who asks. `apps` None: all. `link`: the query of the link, for a caller who has nothing else."""

    name: str
    apps: frozenset[str] | None
    link: str = ""

    def check(self, app_id: str) -> None:
        """Raise NotAllowed unless the app may be read. The same whether or not there is such an app."""
        if self.apps is not None and app_id not in self.apps:
            raise NotAllowed("this token may not read that app")


class Access:
    """Knows the tokens. `clock`: epoch seconds."""

    def __init__(self, tokens: Mapping[str, Token], link_key: bytes, clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._link_key = link_key
        self._clock = clock

    @property
    def is_open(self) -> bool:
        """Nobody is asked who he is."""
        return not self._tokens

    def bearer(self, authorization: str | None) -> Caller:
        """Who sends this header. Raises NotKnown."""
        if self.is_open:
            return Caller("local", None)
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise NotKnown("a bearer token is needed")
        digest = hashlib.sha256(secret.strip().encode(errors="surrogateescape")).hexdigest()
        for name, token in self._tokens.items():
            if hmac.compare_digest(digest, token.sha256):
                return Caller(name, _apps(token))
        raise NotKnown("unknown token")

    def sign(self, caller: Caller, app_id: str, session_id: str, seconds: int) -> tuple[str, str]:
        """(`exp`, `sig`) of a link to a session that holds for some time, as long as the caller's token does."""
        expires = str(int(self._clock()) + seconds)
        name = base64.urlsafe_b64encode(caller.name.encode()).decode().rstrip("=")
        return expires, f"{name}.{self._mac(caller.name, app_id, session_id, expires)}"

    def linked(self, app_id: str, session_id: str, expires: str, signature: str) -> Caller:
        """Who has made this link. Raises NotKnown."""
        encoded, _, mac = signature.partition(".")
        try:
            name = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
        except (binascii.Error, ValueError):
            raise NotKnown("not a link of ours") from None
        if not hmac.compare_digest(mac.encode(), self._mac(name, app_id, session_id, expires).encode()):
            raise NotKnown("not a link of ours")
        if int(expires) < self._clock():
            raise NotKnown("the link has expired")
        token = self._tokens.get(name)
        if not self.is_open and (token is None or app_id not in (_apps(token) or {app_id})):
            raise NotKnown("the token that made the link is gone")
        return Caller(f"{name} (link)", frozenset({app_id}), f"exp={expires}&sig={signature}")

    def expires_ms(self, expires: str) -> int:
        return int(expires) * MS_PER_SECOND

    def _mac(self, name: str, app_id: str, session_id: str, expires: str) -> str:
        signed = msgspec.json.encode([_LINK_FORMAT, name, app_id, session_id, expires])
        return hmac.new(self._link_key, signed, hashlib.sha256).hexdigest()


def _apps(token: Token) -> frozenset[str] | None:
    return None if ALL_APPS in token.apps else token.apps
