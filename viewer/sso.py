"""People whom a proxy in front has signed in: name and groups come in headers, believed from its addresses alone."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec

PERSON = "user:"  # before the name of a person; no token is called so
ALL_APPS = "*"
Network = IPv4Network | IPv6Network
_NAME_MAX = 256
_GROUPS_MAX = 200


class BadPerson(Exception):
    """The proxy's headers name nobody, or more than one."""


class Person(msgspec.Struct, frozen=True):
    """Who the proxy says it is. `apps` None: all."""

    name: str
    apps: frozenset[str] | None


class SignedInByProxy(msgspec.Struct, frozen=True):
    """Which proxies are believed, what their headers are called, and which apps a group may read (`*`: all).
    `everyone`: apps for all whom the proxy lets in.
    """

    trusted: tuple[Network, ...]
    user_header: str
    groups_header: str = ""
    groups: Mapping[str, frozenset[str]] = {}
    everyone: frozenset[str] = frozenset()

    def person(self, address: str, headers: Mapping[str, Sequence[str]]) -> Person | None:
        """Who asks from that address; `headers`: by names in small letters. None: not a proxy, or it says nothing.

        Raises BadPerson.
        """
        names = headers.get(self.user_header.lower(), ())
        if not names or not self._trusts(address):
            return None
        if len(names) > 1:
            raise BadPerson(f"{self.user_header} came more than once: the proxy must replace what the browser sends")
        name = _text(names[0])
        if not name or len(name) > _NAME_MAX or not name.isprintable():
            raise BadPerson(f"{self.user_header} does not name a person")
        listed = headers.get(self.groups_header.lower(), ()) if self.groups_header else ()
        if len(listed) > 1:
            raise BadPerson(f"{self.groups_header} came more than once: the proxy must replace what the browser sends")
        own = {group.strip() for group in _text(listed[0]).split(",")[:_GROUPS_MAX]} if listed else set()
        apps = self.everyone.union(*(apps for group, apps in self.groups.items() if group in own))
        return Person(PERSON + name, None if ALL_APPS in apps else apps)

    def _trusts(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.trusted)


def _text(header: str) -> str:
    """A header's text: bytes beyond ASCII come as Latin-1 and are mostly UTF-8."""
    try:
        return header.encode("latin-1").decode().strip()
    except UnicodeError:
        return header.strip()
