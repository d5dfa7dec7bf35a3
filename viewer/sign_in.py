"""Signed cookies: a browser that has shown its token once is known by one, for a while and in every tab.

    cookie = base64url(JSON [name of the token, end in epoch seconds, nonce]) "." HMAC-SHA-256 in hexadecimal

Signed are format, name, the token's SHA-256, end and nonce: a cookie ends with its time, its token, and the key.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable

import msgspec

_FORMAT = "replaylake-sign-in-1"
_KEY_PURPOSE = b"replaylake sign-in"
_NONCE_BYTES = 16


class BadSignIn(Exception):
    """The cookie is not ours, has ended, or was ended."""


class _Content(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    name: str
    expires: int
    nonce: str


class SignIns:
    """Makes and reads the cookies. `key`: as of links; `clock`: epoch seconds. Any thread.

    Which ones were ended is known to this process alone, until their time is over.
    """

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = hmac.new(key, _KEY_PURPOSE, hashlib.sha256).digest()
        self._clock = clock
        self._ended: dict[str, int] = {}  # nonce → end
        self._lock = threading.Lock()

    def make(self, name: str, digest: str, seconds: int) -> tuple[str, int]:
        """The cookie of the token of that name and SHA-256, and its end in epoch seconds."""
        content = _Content(name, int(self._clock()) + seconds, secrets.token_hex(_NONCE_BYTES))
        encoded = base64.urlsafe_b64encode(msgspec.json.encode(content)).decode().rstrip("=")
        return f"{encoded}.{self._mac(content, digest)}", content.expires

    def read(self, cookie: str, digest_of: Callable[[str], str | None]) -> tuple[str, int]:
        """Its token's name, and its end. `digest_of`: SHA-256 of a token, None when it is gone. Raises BadSignIn."""
        content = self._checked(cookie, digest_of)
        if content.expires <= self._clock() or content.nonce in self._ended:
            raise BadSignIn("the sign-in has ended")
        return content.name, content.expires

    def end(self, cookie: str, digest_of: Callable[[str], str | None]) -> None:
        """From now on it is not accepted. Raises BadSignIn when it is not ours."""
        content = self._checked(cookie, digest_of)
        now = self._clock()
        with self._lock:
            self._ended = {nonce: end for nonce, end in self._ended.items() if end > now} | {
                content.nonce: content.expires
            }

    def _checked(self, cookie: str, digest_of: Callable[[str], str | None]) -> _Content:
        encoded, _, mac = cookie.partition(".")
        try:
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            content = msgspec.json.decode(raw, type=_Content)
        except (binascii.Error, ValueError, msgspec.DecodeError):
            raise BadSignIn("not a sign-in of ours") from None
        digest = digest_of(content.name)
        if digest is None or not hmac.compare_digest(mac.encode(), self._mac(content, digest).encode()):
            raise BadSignIn("not a sign-in of ours, or its token is gone")
        return content

    def _mac(self, content: _Content, digest: str) -> str:
        signed = msgspec.json.encode([_FORMAT, content.name, digest, content.expires, content.nonce])
        return hmac.new(self._key, signed, hashlib.sha256).hexdigest()
