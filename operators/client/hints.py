"""Client hints of a request: what Chromium's browsers tell beside a User-Agent that is frozen in parts.

Sec-CH-UA: "Not:A-Brand";v="8", "Chromium";v="156", "Google Chrome";v="156"
Sec-CH-UA-Platform: "Windows"        Sec-CH-UA-Platform-Version: "15.0.0"        Sec-CH-UA-Mobile: ?0
"""

import re
from collections.abc import Mapping

from operators.client.headers import (
    BRANDS,
    FULL_VERSIONS,
    IS_MOBILE,
    PLATFORM,
    PLATFORM_VERSION,
    VIEWPORT_HEIGHT,
    VIEWPORT_WIDTH,
)
from operators.client.screen import size_text
from operators.client.user_agent import MOBILE, PC, TABLET, usable
from schemas.items import Client

_BRAND = re.compile(r'"((?:[^"\\]|\\.)*)"\s*;\s*v\s*=\s*"([^"]*)"')
_MADE_UP = re.compile(r"^[^a-z]*not[^a-z]+a?[^a-z]*brand", re.IGNORECASE)  # so that nobody counts on a list of names
_ENGINE = "Chromium"
_HEADLESS = "HeadlessChrome"
_BROWSERS = {
    "Google Chrome": "Chrome",
    _HEADLESS: "Chrome",
    "Android WebView": "Chrome",
    "Microsoft Edge": "Edge",
    "Microsoft Edge WebView2": "Edge",
    "Opera GX": "Opera",
    "YaBrowser": "Yandex",
}
_SYSTEMS = {"macOS": "Mac OS", "Chromium OS": "Chrome OS"}
_ANDROID, _WINDOWS = "Android", "Windows"
_DESKTOPS = {"Windows", "Mac OS", "Linux", "Chrome OS"}
_OLD_WINDOWS = {"0.1": "7", "0.2": "8", "0.3": "8.1"}
_WINDOWS_11 = 13  # learn.microsoft.com/microsoft-edge/web-platform/how-to-detect-win11
_SIZE_DIGITS_MAX = 5


def with_hints(told: Client | None, headers: Mapping[str, str]) -> Client | None:
    """What the User-Agent has told, overruled by the hints: name and version together, never of two sources.

    Where both name the same browser or system, the longer version counts: a hint may have the first number only.
    """
    client = told or Client()
    browser, browser_version = _browser(headers, client)
    system, system_version = _system(headers, client)
    found = Client(
        browser=browser,
        browser_version=browser_version,
        os=system,
        os_version=system_version,
        device=_device(headers, system) or client.device,
        screen_size=size_text(_pixels(headers, VIEWPORT_WIDTH), _pixels(headers, VIEWPORT_HEIGHT)),
        is_bot=client.is_bot,
    )
    return None if found == Client() else found


def _browser(headers: Mapping[str, str], client: Client) -> tuple[str, str]:
    if client.is_bot:  # it runs a browser and says so; whose it is, only the User-Agent tells
        return client.browser, client.browser_version
    brands = _brands(headers.get(BRANDS, ""))
    full = _brands(headers.get(FULL_VERSIONS, ""))
    brand = next((name for name in (*brands, *full) if name != _ENGINE), "")
    known = {**brands, **full}
    if not brand:  # only the engine is named: which browser it is, the User-Agent may tell
        version = known.get(_ENGINE, "")
        if not version or _agree(client.browser_version, version):
            return client.browser, _longer(client.browser_version, version)
        return _ENGINE, version
    name, version = _BROWSERS.get(brand, brand), known[brand]
    if name == client.browser and _agree(client.browser_version, version):
        version = _longer(client.browser_version, version)
    return name, version


def _brands(text: str) -> dict[str, str]:
    """Version by brand, in order, without the made-up one."""
    found = {name: version for name, version in _BRAND.findall(text) if not _MADE_UP.match(name)}
    return {name: usable(version) for name, version in found.items() if usable(name)}


def _system(headers: Mapping[str, str], client: Client) -> tuple[str, str]:
    said = usable(_unquoted(headers.get(PLATFORM, "")))
    if not said or said == "Unknown":
        return client.os, client.os_version
    name, version = _SYSTEMS.get(said, said), usable(_unquoted(headers.get(PLATFORM_VERSION, "")))
    if name == _WINDOWS and version:
        version = _windows(version)
    return name, version or (client.os_version if name == client.os else "")


def _windows(version: str) -> str:
    """The name of a release: the hint has the number of an interface, which only starts at Windows 10."""
    first = version.partition(".")[0]
    if not first.isdigit():
        return ""
    number = int(first)
    if number:
        return "11" if number >= _WINDOWS_11 else "10"
    return _OLD_WINDOWS.get(".".join(version.split(".")[:2]), "")


def _device(headers: Mapping[str, str], system: str) -> str:
    said = headers.get(IS_MOBILE, "").strip()
    if said == "?1":
        return MOBILE
    if said != "?0":
        return ""
    if system == _ANDROID:
        return TABLET
    return PC if system in _DESKTOPS else ""


def _pixels(headers: Mapping[str, str], name: str) -> int | None:
    said = headers.get(name, "").strip()
    return int(said) if len(said) <= _SIZE_DIGITS_MAX and said.isascii() and said.isdigit() else None


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else ""


def _agree(version: str, other: str) -> bool:
    return bool(version) and version.partition(".")[0] == other.partition(".")[0]


def _longer(version: str, other: str) -> str:
    """The one with more numbers that are not 0, which browsers put for what they do not tell; else the longer."""
    return max((version, other), key=lambda one: (sum(part not in ("", "0") for part in one.split(".")), len(one)))
