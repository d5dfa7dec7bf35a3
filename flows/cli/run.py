"""The command that writes a lake as it goes: `run`."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import LakeOption, as_arguments, settings_with
from flows.job import run_streaming
from flows.local_cluster import run_local_cluster
from flows.log_setup import set_up_logging
from flows.logs import LOGGER
from flows.settings import ConfigurationError
from flows.stopping import install_stop_handlers


def run(  # noqa: PLR0913 - one option per setting
    lake: LakeOption = None,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="topic to read; repeat for more")] = None,
    recovery_dir: Annotated[Path | None, typer.Option(help="state of the job; a persistent volume")] = None,
    epoch_seconds: Annotated[float | None, typer.Option(help="time between commits")] = None,
    on_lost_offsets: Annotated[
        str | None, typer.Option(help="stop, earliest or latest: when unread messages are gone from the broker")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="where a job without state begins: earliest, latest or a time", metavar="PLACE")
    ] = None,
    shards: Annotated[int | None, typer.Option(min=1, help="parts of state and output, at the first start")] = None,
    http: Annotated[str | None, typer.Option(help="host:port of /metrics and /health", metavar="ADDRESS")] = None,
    processes: Annotated[int, typer.Option(min=1, help="run a cluster of this many processes on this machine")] = 1,
    address: Annotated[
        list[str] | None, typer.Option(help="host:port of a cluster's process; repeat, the same order everywhere")
    ] = None,
    process_id: Annotated[int | None, typer.Option(min=0, help="which of the addresses this process is")] = None,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="own this lake from now on; only when the recovery folder of the job that wrote it is lost",
        ),
    ] = False,
) -> None:
    """The streaming job: Kafka to lake, until stopped.

    Example: replaylake run --bootstrap kafka:9092 --topic rum --lake s3://my-bucket/rum
    """
    settings = settings_with(
        lake,
        kafka={"bootstrap": bootstrap, "topics": topic, "start": start, "on_lost_offsets": on_lost_offsets},
        run={
            "recovery_dir": recovery_dir,
            "epoch_seconds": epoch_seconds,
            "shards": shards,
            "addresses": address,
            "process_id": process_id,
        },
        http={"address": http},
    )
    if processes > 1 and settings.run.addresses:
        raise ConfigurationError("--processes: runs a cluster on this machine; --address is for one on several")
    install_stop_handlers()
    set_up_logging(settings)
    log = logging.getLogger(LOGGER)
    if processes > 1:
        flags: dict[str, object] = {
            "lake": lake,
            "bootstrap": bootstrap,
            "topic": topic,
            "recovery-dir": recovery_dir,
        }
        flags |= {"epoch-seconds": epoch_seconds, "on-lost-offsets": on_lost_offsets, "start": start, "shards": shards}
        run_local_cluster(settings, processes, [*as_arguments(flags), *(["--take-over"] if take_over else [])])
    else:
        run_streaming(settings, take_over=take_over)
    log.info("stopped; open sessions continue with the next start")
