"""The command that SDKs send to: `intake`."""

import logging
from typing import Annotated

import typer

from flows.cli.options import as_arguments, settings_with
from flows.log_setup import set_up_logging
from flows.logs import LOGGER
from flows.services.intake import run_intake
from flows.services.intake_workers import run_workers
from flows.stopping import install_stop_handlers


def intake(  # noqa: PLR0913 - one option per setting
    address: Annotated[str | None, typer.Option(help="host:port to listen on")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers")] = None,
    topic: Annotated[str | None, typer.Option(help="topic to write")] = None,
    app: Annotated[list[str] | None, typer.Option(help="app id that may send; repeat for more; all without")] = None,
    http: Annotated[str | None, typer.Option(help="host:port of /metrics and /health")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="processes on the address")] = None,
) -> None:
    """The HTTP service that SDKs send to: browsers to Kafka, until stopped. 2xx only once Kafka has it.

    Example: replaylake intake --address 0.0.0.0:8080 --bootstrap kafka:9092 --topic rum
    """
    settings = settings_with(
        None,
        kafka={"bootstrap": bootstrap},
        intake={"address": address, "topic": topic, "apps": app, "workers": workers},
        http={"address": http},
    )
    install_stop_handlers()
    set_up_logging(settings)
    log = logging.getLogger(LOGGER)
    if settings.intake.workers > 1:
        flags: dict[str, object] = {"address": address, "bootstrap": bootstrap, "topic": topic, "app": app}
        run_workers(settings, as_arguments(flags))
    else:
        log.info("intake listens on %s", settings.intake.address)
        run_intake(settings)
    log.info("intake stopped; all that was acknowledged is in Kafka")
