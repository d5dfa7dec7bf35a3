"""The commands that write a lake: `run`, `backfill`, `demo`."""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flows.capture_source import PARTITION, CaptureSource
from flows.captures import CaptureCounts, CaptureError
from flows.demo import run_demo
from flows.job import run_bounded, run_unbounded
from flows.kafka_source import SourceError
from flows.session_replay import build, kafka_job, kafka_range_job
from flows.settings import ConfigurationError, Settings, load_settings
from flows.stopping import install_stop_handlers, stop_requested
from sinks.lake import LakeCounts
from sinks.store import StoreError

LakeOption = Annotated[str | None, typer.Option("--lake", help="local path or s3://bucket/prefix", metavar="URI")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for machines")]


class CommandFailed(Exception):
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


def run(  # noqa: PLR0913 - one option per setting
    lake: LakeOption = None,
    bootstrap: Annotated[str | None, typer.Option(help="Kafka bootstrap servers")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="topic to read; repeat for more")] = None,
    recovery_dir: Annotated[Path | None, typer.Option(help="state of the job; a persistent volume")] = None,
    epoch_seconds: Annotated[float | None, typer.Option(help="time between commits")] = None,
    on_lost_offsets: Annotated[
        str | None, typer.Option(help="stop, earliest or latest: when unread messages are gone from the broker")
    ] = None,
) -> None:
    """The streaming job: Kafka to lake, until stopped.

    Example: replaylake run --bootstrap kafka:9092 --topic rum --lake s3://my-bucket/rum
    """
    settings = settings_with(
        lake,
        kafka={"bootstrap": bootstrap, "topics": topic, "on_lost_offsets": on_lost_offsets},
        run={"recovery_dir": recovery_dir, "epoch_seconds": epoch_seconds},
    )
    install_stop_handlers()
    log = logging.getLogger("replaylake")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        job = kafka_job(settings)
        log.info("reading %s from %s into %s", settings.kafka.topics, settings.kafka.bootstrap, settings.lake)
        run_unbounded(job, settings)
    except (SourceError, StoreError, RuntimeError) as error:
        raise CommandFailed(_root_cause(error)) from error
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
    settings = settings_with(lake, kafka={"topics": topic})
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
                job = build(settings, source, [PARTITION], is_bounded=True)
            else:
                job = kafka_range_job(settings, from_offset, to_offset or 0)
            run_bounded(job)
    except (CaptureError, SourceError, StoreError, RuntimeError) as error:
        raise CommandFailed(_root_cause(error)) from error
    if stop_requested():
        raise CommandFailed("stopped before the end: nothing was published; run it again")
    for writer in job.sink.writers.values():
        _report(counts, writer.counts, settings.lake, as_json=as_json)


def demo(
    folder: Annotated[Path, typer.Option(help="where the lake is left to look at")] = Path("demo-lake"),
) -> None:
    """Everything at once on this machine: real broker and S3 server, real recordings, the streaming job.

    Example: replaylake demo
    """
    run_demo(folder)


def _report(read: CaptureCounts, written: LakeCounts, lake: str, *, as_json: bool) -> None:
    if as_json:
        summary = {
            "requests": read.requests,
            "messages": read.messages,
            "skipped": read.skipped,
            "items": written.items,
            "windows": written.windows,
            "duplicates": written.duplicates,
            "quarantined": written.quarantined,
            "lake": lake,
        }
        print(json.dumps(summary))
        return
    if read.requests:
        print(f"{read.requests:,} requests, {read.messages:,} messages")
    for route, count in sorted(read.skipped.items()):
        print(f"  skipped {count:,} x {route}")
    for reason, count in sorted(written.quarantined.items()):
        print(f"  quarantined {count:,} x {reason}")
    counts = f"{written.items:,} items, {written.duplicates:,} duplicates removed"
    print(f"{written.windows:,} windows written to {lake}: {counts}")


def _root_cause(error: BaseException) -> str:
    """The engine wraps what an operator raises; the first cause is the one a person can act on."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)
