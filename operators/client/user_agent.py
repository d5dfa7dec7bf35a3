"""A User-Agent text as browser, system and kind of device, in the words that SDKs use for them.

The patterns are those of the uap-core project, in the lock file (docs/decisions/0010-who-sent-a-request.md). They are
run by an engine whose time grows with the length of the text only, and a text is bounded; so no text takes long.
"""

import re
from functools import cache, lru_cache
from typing import Final

from ua_parser import Domain
from ua_parser.core import OS, Device, UserAgent
from ua_parser.loaders import load_builtins
from ua_parser.regex import Resolver

from operators.client.headers import HEADER_BYTES_MAX
from schemas.items import Client

PC, MOBILE, TABLET = "PC", "Mobile", "Tablet"
NAME_LENGTH_MAX = 64  # characters of a name or version: what is longer is no name
_CACHED_TEXTS = 2048

# As Guance's SDK names them; it does not tell the variants of a browser apart, which the kind of device does.
_BROWSERS = {
    **dict.fromkeys(("Chrome Mobile", "Chrome Mobile iOS", "Chrome Mobile WebView", "HeadlessChrome"), "Chrome"),
    **dict.fromkeys(("Mobile Safari", "Mobile Safari UI/WKWebView"), "Safari"),
    **dict.fromkeys(("Firefox Mobile", "Firefox iOS"), "Firefox"),
    "Edge Mobile": "Edge",
    "Opera Mobile": "Opera",
    "IE Mobile": "IE",
    "Yandex Browser": "Yandex",
}
_SYSTEMS = {"Mac OS X": "Mac OS"}
_CRAWLER: Final = "Spider"  # as the patterns call the device of every bot
_BROWSER_START = ("Mozilla/", "Opera/")  # of every browser's text, for the sake of old servers
_DESKTOP = re.compile(r"Windows NT|Macintosh|X11|CrOS")
_ANDROID, _PHONES = "Android", ("Mobile", "iPhone", "iPod")


@lru_cache(_CACHED_TEXTS)
def client_of_user_agent(text: str) -> Client | None:
    """What a User-Agent says; None where it says nothing of a browser or a bot, as those of servers."""
    if not text or len(text) > HEADER_BYTES_MAX:
        return None
    found = _resolver()(text, Domain.ALL)
    is_bot = found.device is not None and found.device.brand == _CRAWLER
    if not is_bot and not text.startswith(_BROWSER_START):
        return None
    browser, browser_version = _browser(found.user_agent, text)
    system, system_version = _system(found.os)
    client = Client(
        browser=browser,
        browser_version=browser_version,
        os=system,
        os_version=system_version,
        device=_bot_device(found.device) if is_bot else _device(text, found.device),
        is_bot=is_bot,
    )
    return None if client == Client() else client


@cache
def _resolver() -> Resolver:
    """Made with the first text: a third of a second, and 27 MB."""
    return Resolver(load_builtins())


def usable(text: str) -> str:
    """A name or version; empty where it cannot be one."""
    return text if len(text) <= NAME_LENGTH_MAX and "/" not in text and text.isprintable() else ""


def _browser(found: UserAgent | None, text: str) -> tuple[str, str]:
    if found is None:
        return "", ""
    name = _BROWSERS.get(found.family, usable(found.family))
    version = _joined(found.major, found.minor, found.patch, found.patch_minor)
    return (name, usable(_whole(version, text))) if name else ("", "")


def _whole(version: str, text: str) -> str:
    """Some patterns stop at the third number of a version; the text has all."""
    place = text.find(f"/{version}.") if version else -1
    if place < 0:
        return version
    more = _NUMBERS.match(text, place + 1 + len(version))
    return version + more[0] if more else version


_NUMBERS = re.compile(r"(?:\.\d+)+")


def _system(found: OS | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    name = usable(_SYSTEMS.get(found.family, found.family))
    version = _joined(found.major, found.minor, found.patch, found.patch_minor)
    return (name, usable(version)) if name else ("", "")


def _joined(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)


def _device(text: str, found: Device | None) -> str:
    """A phone says `Mobile`; Android without it is a tablet. An iPad that asks for desktop pages says it is a Mac."""
    if "iPad" in text or (found is not None and "Tablet" in f"{found.family} {found.brand}"):
        return TABLET
    if any(word in text for word in _PHONES):
        return MOBILE
    if _ANDROID in text:
        return TABLET
    return PC if _DESKTOP.search(text) else ""


def _bot_device(found: Device | None) -> str:
    return {"Smartphone": MOBILE, "Desktop": PC}.get((found and found.model) or "", "")
