"""Who may read what: bearer tokens with their apps, browsers that signed in with one, people whom a proxy signed in,
and signed links that open one session for a while.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum

import msgspec

from schemas.units import MS_PER_SECOND
from viewer.sign_in import BadSignIn, SignIns
from viewer.sso import ALL_APPS, PERSON, BadPerson, SignedInByProxy

_LINK_FORMAT = "replaylake-link-1"


class NotKnown(Exception):
    """Nobody we know: no token, a wrong one, a link that has expired or was never ours."""


class NotAllowed(Exception):
    """Known, but not for this."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token: the SHA-256 of it, in hexadecimal, and the apps it may read (`*`: all)."""

    sha256: str
    apps: frozenset[str]


class How(StrEnum):
    """By what a caller is known."""

    OPEN = "open"  # nobody is asked
    TOKEN = "token"  # noqa: S105 - a bearer token
    SIGN_IN = "sign-in"  # the cookie of a browser
    PROXY = "proxy"  # the headers of a proxy
    LINK = "link"  # a signed link

    @property
    def is_sent_unasked(self) -> bool:
        """The browser sends it with whatever a page elsewhere makes it ask."""
        return self in {How.SIGN_IN, How.PROXY}


class Credentials(msgspec.Struct, frozen=True):
    """What a request shows of the caller. `headers`: by names in small letters; `address`: of the peer itself."""

    address: str
    headers: Mapping[str, Sequence[str]]
    cookie: str = ""

    @property
    def authorization(self) -> str | None:
        return next(iter(self.headers.get("authorization", ())), None)


class Caller(msgspec.Struct, frozen=True):
    """Who asks. `apps` None: all. `link`: the query of the link, for a caller who has nothing else.
    `expires`: the end of a sign-in, epoch seconds.
    """

    name: str
    apps: frozenset[str] | None
    link: str = ""
    how: How = How.TOKEN
    expires: int | None = None

    def check(self, app_id: str) -> None:
        """Raise NotAllowed unless the app may be read. The same whether or not there is such an app."""
        if self.apps is not None and app_id not in self.apps:
            raise NotAllowed("this token may not read that app")


class Access:
    """Knows the tokens and the proxies. `clock`: epoch seconds."""

    def __init__(
        self,
        tokens: Mapping[str, Token],
        link_key: bytes,
        clock: Callable[[], float],
        proxy: SignedInByProxy | None = None,
    ) -> None:
        self._tokens = tokens
        self._link_key = link_key
        self._clock = clock
        self._proxy = proxy
        self._sign_ins = SignIns(link_key, clock)

    @property
    def is_open(self) -> bool:
        """Nobody is asked who he is."""
        return not self._tokens and self._proxy is None

    @property
    def has_tokens(self) -> bool:
        """There are tokens to sign in with."""
        return bool(self._tokens)

    def caller(self, shown: Credentials) -> Caller:
        """Who asks: by a proxy's headers, a bearer token, or the cookie of a sign-in. Raises NotKnown, NotAllowed."""
        if self.is_open:
            return Caller("local", None, how=How.OPEN)
        person = self._person(shown)
        if person is not None:
            return person
        if shown.authorization is None and shown.cookie:
            return self._signed_in(shown.cookie)
        return self.bearer(shown.authorization)

    def bearer(self, authorization: str | None) -> Caller:
        """Who sends this header. Raises NotKnown."""
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise NotKnown("a bearer token is needed")
        return self._with_token(secret)

    def sign_in(self, secret: str, seconds: int) -> tuple[Caller, str]:
        """Whose token that is, and the cookie that stands for it from now on. Raises NotKnown."""
        known = self._with_token(secret)
        cookie, expires = self._sign_ins.make(known.name, self._tokens[known.name].sha256, seconds)
        return msgspec.structs.replace(known, how=How.SIGN_IN, expires=expires), cookie

    def sign_out(self, cookie: str) -> None:
        """The cookie is not accepted any more; what is none of ours was never accepted."""
        with suppress(BadSignIn):
            self._sign_ins.end(cookie, self._digest)

    def _person(self, shown: Credentials) -> Caller | None:
        if self._proxy is None:
            return None
        try:
            person = self._proxy.person(shown.address, shown.headers)
        except BadPerson as error:
            raise NotKnown(str(error)) from None
        if person is None:
            return None
        if person.apps is not None and not person.apps:
            raise NotAllowed(f"{person.name.removeprefix(PERSON)} is in no group that may read an app here")
        return Caller(person.name, person.apps, how=How.PROXY)

    def _signed_in(self, cookie: str) -> Caller:
        try:
            name, expires = self._sign_ins.read(cookie, self._digest)
        except BadSignIn as error:
            raise NotKnown(str(error)) from None
        return Caller(name, _apps(self._tokens[name]), how=How.SIGN_IN, expires=expires)

    def _digest(self, name: str) -> str | None:
        token = self._tokens.get(name)
        return token.sha256 if token else None

    def _with_token(self, secret: str) -> Caller:
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
        is_person = name.startswith(PERSON) and self._proxy is not None
        if not self.is_open and not is_person and (token is None or app_id not in (_apps(token) or {app_id})):
            raise NotKnown("the token that made the link is gone")
        return Caller(f"{name} (link)", frozenset({app_id}), f"exp={expires}&sig={signature}", How.LINK)

    def expires_ms(self, expires: str) -> int:
        return int(expires) * MS_PER_SECOND

    def _mac(self, name: str, app_id: str, session_id: str, expires: str) -> str:
        signed = msgspec.json.encode([_LINK_FORMAT, name, app_id, session_id, expires])
        return hmac.new(self._link_key, signed, hashlib.sha256).hexdigest()


def _apps(token: Token) -> frozenset[str] | None:
    return None if ALL_APPS in token.apps else token.apps
