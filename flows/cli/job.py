"""The commands that write a lake: `run`, `backfill`, `demo`."""

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flows.capture_source import READER, CaptureSource
from flows.captures import CaptureCounts
from flows.demo.live import run_live
from flows.demo.run import run_demo, serve_demo
from flows.job import run_bounded, run_streaming
from flows.job_input import refuse_second_reading
from flows.local_cluster import run_local_cluster
from flows.logs import LOGGER, set_up_logging
from flows.metrics import JobMetrics
from flows.settings import ConfigurationError, Settings, load_settings
from flows.shown import counted, printable
from flows.stopping import install_stop_handlers, stop_requested
from flows.wiring import Job, State, build, kafka_range_job, lake_store
from schemas.errors import ReplayLakeError
from sinks.fence import owner_of
from sinks.open_store import open_lake
from sinks.store import ObjectStore

_STOPPED = "stopped before the end: nothing was published; run it again"
LakeOption = Annotated[str | None, typer.Option("--lake", help="local path or s3://bucket/prefix", metavar="URI")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for machines")]


class CommandFailed(ReplayLakeError):
    """The command cannot be done; the message is one line that says what to do."""


def settings_with(lake: str | None, **sections: dict[str, object]) -> Settings:
    """The settings with the command's flags over them; flags that were not given are left out."""
    flags: dict[str, object] = {"lake": lake} if lake is not None else {}
    base = load_settings(**flags)
    given = {
        name: {key: value for key, value in section.items() if value is not None} for name, section in sections.items()
    }
    merged = {name: getattr(base, name).model_dump() | section for name, section in given.items() if section}
    return load_settings(**flags, **merged) if merged else base


def opened_lake(settings: Settings) -> ObjectStore:
    """The lake that a command reads or keeps. Raises NoLake."""
    return open_lake(settings.lake, settings.s3.storage_options())


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


def backfill(  # noqa: PLR0913 - one option per setting
    files: Annotated[
        list[Path] | None, typer.Argument(help="capture files (.jsonl or .jsonl.gz)", exists=True, dir_okay=False)
    ] = None,
    lake: LakeOption = None,
    topic: Annotated[list[str] | None, typer.Option(help="instead of files: a range of this topic")] = None,
    from_offset: Annotated[int, typer.Option(min=0, help="first offset, in every partition")] = 0,
    to_offset: Annotated[int | None, typer.Option(min=1, help="offset to stop before")] = None,
    as_json: JsonOption = False,
) -> None:
    """Put capture files, or a range of the topics, into the lake with the operators of the job, then exit.

    Example: replaylake backfill samples/guance/*.jsonl.gz --lake ./lake
    """
    if bool(files) == bool(topic) or (topic and to_offset is None):
        raise ConfigurationError("backfill: name capture files, or --topic with --to-offset")
    with tempfile.TemporaryDirectory(prefix="replaylake-packs-") as cache:
        settings = settings_with(lake, kafka={"topics": topic}, run={"cache_dir": cache})
        _backfill(settings, files or [], from_offset, to_offset or 0, as_json=as_json)


def _backfill(settings: Settings, files: list[Path], from_offset: int, to_offset: int, *, as_json: bool) -> None:
    counts = CaptureCounts()
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task("reading")
            if files:
                source = CaptureSource(
                    files, counts, lambda done: progress.update(task, description=f"reading: {done:,} messages")
                )
                job = build(settings, source, [READER], JobMetrics(version("replaylake")), State(), is_bounded=True)
                run_bounded(job, source.failure)
            else:
                owner = owner_of(lake_store(settings))
                if owner is not None:
                    refuse_second_reading(settings, owner)
                job = kafka_range_job(settings, from_offset, to_offset)
                run_bounded(job)
    except Exception as error:
        if stop_requested():
            raise CommandFailed(_STOPPED) from error
        raise
    if stop_requested():
        raise CommandFailed(_STOPPED)
    _report(counts, job, settings.lake, as_json=as_json)


def demo(
    folder: Annotated[Path, typer.Option(help="where the lake is left to look at")] = Path("demo-lake"),
    serve: Annotated[bool, typer.Option("--serve", help="and then show it in the browser, until stopped")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="no recordings: intake, job and viewer for a page of yours, until stopped")
    ] = False,
) -> None:
    """Everything at once on this machine: real broker and S3 server, real recordings, the streaming job.

    With --live the intake listens on intake.address and the viewer on the next port. A session ends after a minute.
    Example: replaylake demo
    """
    if live:
        install_stop_handlers()
        run_live(folder, load_settings().intake)
        return
    run_demo(folder)
    if serve:
        serve_demo(folder)


def as_arguments(flags: Mapping[str, object]) -> list[str]:
    """Flags as they are written on a command line; those that were not given are left out."""
    found = []
    for name, value in flags.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        for one in values:
            found += [f"--{name}", str(one)]
    return found


def _report(read: CaptureCounts, job: Job, lake: str, *, as_json: bool) -> None:
    written = [writer.counts for writer in job.sink.writers.values()]
    quarantined: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for one in written:
        quarantined.update(one.quarantined)
        skipped.update(one.skipped)
    items = sum(one.items for one in written)
    windows = sum(sum(one.windows.values()) + one.revisions for one in written)
    duplicates = sum(tracker.duplicate_count for tracker in job.metrics.trackers)
    if as_json:
        summary = {
            "requests": read.requests,
            "messages": read.messages,
            "skipped": read.skipped,
            "items": items,
            "windows": windows,
            "duplicates": duplicates,
            "quarantined": quarantined,
            "skipped_lines": skipped,
            "lake": lake,
        }
        print(json.dumps(summary))
        return
    if read.requests:
        print(f"{counted(read.requests, 'request')}, {counted(read.messages, 'message')}")
    for route, count in sorted(read.skipped.items()):
        print(f"  skipped {count:,} x {printable(route)}")
    for reason, count in sorted(skipped.items()):
        print(f"  skipped {count:,} x {reason} line")
    for reason, count in sorted(quarantined.items()):
        print(f"  quarantined {count:,} x {reason}")
    removed = f"{counted(duplicates, 'duplicate')} removed"
    print(f"{counted(windows, 'window')} written to {lake}: {counted(items, 'item')}, {removed}")
