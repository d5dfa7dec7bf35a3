"""The command that puts what is there already into a lake: `backfill`."""

import json
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flows.capture_source import READER, CaptureSource
from flows.captures import CaptureCounts
from flows.cli.options import CommandFailed, JsonOption, LakeOption, settings_with
from flows.job import run_bounded
from flows.job_input import refuse_second_reading
from flows.metrics import JobMetrics
from flows.settings import ConfigurationError, Settings
from flows.shown import counted, printable
from flows.stopping import stop_requested
from flows.wiring import Job, State, build, kafka_range_job, lake_store
from sinks.fence import owner_of

_STOPPED = "stopped before the end: nothing was published; run it again"


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
