"""The command that shows a lake to people and programs: `serve`."""

import ipaddress
import sys
from typing import Annotated

import typer

from flows.cli.options import LakeOption, settings_with
from flows.log_setup import set_up_logging
from flows.settings import ConfigurationError
from flows.stopping import install_stop_handlers


def serve(
    lake: LakeOption = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="port to listen on; 0 is any free one")] = None,
) -> None:
    """Session explorer, details and player for the browser, and the API behind them. Reads only.

    Example: replaylake serve --lake ./demo-lake
    """
    settings = settings_with(lake, serve={"host": host, "port": port})
    set_up_logging(settings)
    if not settings.serve.asks_who and not _is_loopback(settings.serve.host):
        raise ConfigurationError(
            f"serve.tokens: without one, or serve.proxy, serve.host must be loopback, and "
            f"{settings.serve.host!r} is not (docs/api.md)"
        )
    try:
        from flows.services.serve import run_server  # noqa: PLC0415 - its libraries come with the extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"serve: {error.name} is not installed; it comes with replaylake[serve]") from error
    install_stop_handlers()
    run_server(settings, lambda text: print(text, file=sys.stderr, flush=True))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
