"""What is known of the sender, put into a row: only into columns of which the SDK itself says nothing."""

from collections.abc import MutableMapping
from typing import Any

from schemas.items import Client

BOT = "bot"
_USER = "user"  # what SDKs say unless a test of their own maker sent it: they do not look for bots
_KEPT = "user_agent"  # in `custom`


def fill(row: MutableMapping[str, Any], client: Client) -> None:
    """Browser, system, kind of device and screen are each taken whole or not at all: never a name that the SDK gives
    beside a version that the request gives.
    """
    if "browser" not in row and "browser_version" not in row:
        _fill_named(row, "browser", client.browser, client.browser_version)
    if "os" not in row and "os_version" not in row:
        _fill_named(row, "os", client.os, client.os_version)
    if client.device and "device" not in row:
        row["device"] = client.device
    if client.screen_size and "screen_size" not in row:
        row["screen_size"] = client.screen_size
    if client.is_bot and row.get("session_type", _USER) == _USER:
        row["session_type"] = BOT
    if client.user_agent:
        row["custom"] = {_KEPT: client.user_agent, **(row.get("custom") or {})}


def _fill_named(row: MutableMapping[str, Any], column: str, name: str, version: str) -> None:
    if not name:
        return
    row[column] = name
    if version:
        row[f"{column}_version"] = version
        row[f"{column}_version_major"] = version.partition(".")[0]
