"""Running a dataflow: recovery folder, epochs, and what is published after the end."""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from bytewax.run import cli_main
from bytewax.testing import cluster_main, run_main

from flows.http_server import serve
from flows.job_watch import watched
from flows.logs import LOGGER
from flows.process_memory import settle_memory
from flows.recovery_folder import RecoveryFolder, open_recovery_folder
from flows.settings import ConfigurationError, Settings
from flows.stopping import request_stop, stop_requested
from flows.wiring import Job, Known, kafka_job, lake_store
from operators.native import LEAF
from schemas.errors import MustAct, ReplayLakeError, causes
from schemas.keys import FOLDERS, TABLES
from schemas.units import MS_PER_SECOND
from sinks.fence import claim_lake, may_claim, owner_of
from sinks.lifecycle import coverage_problems, wanted_prefixes
from sinks.store import ObjectStore, StoreRefused

_ONE_EPOCH = timedelta(days=365)  # a bounded run commits once, at its end: a rerun makes the same objects
_STOP_LOOK_SECONDS = 0.5

_log = logging.getLogger(LOGGER)


def run_streaming(settings: Settings, *, take_over: bool = False) -> None:
    """One process of the streaming job, until a stop; sessions stay open in the recovery folder.

    Raises FolderInUse, NotTheOwner, SourceError, StoreError, and RuntimeError for what the engine makes of them.
    """
    settle_memory()
    run = settings.run
    with _naming_the_disk(run.recovery_dir), open_recovery_folder(settings) as folder:
        store = lake_store(settings)
        may_claim(store, folder.job_id, is_new=folder.is_new, take_over=take_over)
        if take_over and folder.is_new and owner_of(store) is not None:
            _check_take_over(store, settings)
        known = partial(_known, folder, store, settings)
        job = kafka_job(
            settings, job_id=folder.job_id, known=known, is_new=folder.is_new
        )  # first: a job that cannot read makes no lake
        is_new_lake = FOLDERS.isdisjoint(store.folders(""))
        folder.claim(
            lambda: take_over and owner_of(store) not in {None, folder.job_id},
            lambda is_new: claim_lake(store, folder.job_id, is_new=is_new, take_over=take_over),
        )
        if run.process_id == 0:
            if is_new_lake:
                _log.info("nothing was at %s: made a new lake there", store.uri)
            check_retention(store, settings)
        if LEAF is None:
            _log.info("no compiled leaf of this release: lines take more CPU, the lake is the same")
        _log.info("reading %s from %s into %s", settings.kafka.topics, settings.kafka.bootstrap, settings.lake)
        _set_up_engine_api(settings)
        with (
            serve(settings.http, job.metrics),
            watched(job.metrics, run, settings.http),
            _stop_together(folder, settings),
        ):
            cli_main(  # the one entry point that also starts the engine's web API
                job.flow,
                addresses=run.addresses,
                process_id=run.process_id,
                epoch_interval=timedelta(seconds=run.epoch_seconds),
                recovery_config=folder.engine_config(),
            )
        if len(run.addresses) <= 1:
            job.sink.publish_all()  # the last epoch is committed, so nothing needs to wait for the next start


def _known(folder: RecoveryFolder, store: ObjectStore, settings: Settings) -> Iterable[Known]:
    """Sessions that another job has closed, where this one has taken its lake over."""
    if not folder.has_taken_over:
        return ()
    from flows.known_sessions import known_sessions  # noqa: PLC0415 - reads tables; few starts do

    return known_sessions(store, settings.sessions.rules(), int(time.time() * MS_PER_SECOND))


def _check_take_over(store: ObjectStore, settings: Settings) -> None:
    """A new folder on a lake with content: nobody but a person can say where to begin. Raises ConfigurationError."""
    if settings.kafka.start is None:
        raise ConfigurationError(
            "--take-over: with a new recovery folder, say where to begin: --start latest, or --start and the time of "
            f"the last rows in {settings.lake}, see 'Restore' in docs/operations.md"
        )
    if settings.kafka.start == "earliest" and any(True for _ in store.list(TABLES)):
        raise ConfigurationError(
            f"--take-over: --start earliest would write again what is in {settings.lake} already. Use --start latest "
            "or a time; for a replay from the beginning, another lake"
        )


def run_bounded(job: Job, failure: Callable[[], Exception | None] = lambda: None) -> None:
    """Run to the end of the input, then make everything visible.

    `failure`: why the input was not read to its end. Then nothing becomes visible, and it is raised.
    """
    settle_memory()
    run_main(job.flow, epoch_interval=_ONE_EPOCH)
    failed = failure()
    if failed is not None:
        job.sink.discard()
        raise failed
    job.sink.publish_all()
    job.sink.delete_packs()


def run_bounded_with_recovery(job: Job, settings: Settings) -> None:
    """A bounded run that commits as the streaming job does: the same work, with an end."""
    settle_memory()
    epoch = timedelta(seconds=settings.run.epoch_seconds)
    with open_recovery_folder(settings) as folder:
        cluster_main(job.flow, [], 0, epoch_interval=epoch, recovery_config=folder.engine_config())
    job.sink.publish_all()


def check_retention(store: ObjectStore, settings: Settings) -> None:
    """Does everything that this job will write expire? Raises ConfigurationError when that is to be refused."""
    lifecycle = store.lifecycle()
    if lifecycle is None or settings.retention.check == "off":
        return
    try:
        wanted = wanted_prefixes(store, settings.retention_rules())
        problems = coverage_problems(lifecycle.rules(), wanted, lifecycle.root)
    except StoreRefused as error:  # a store without lifecycle, or without the permission to look at it
        problems = [str(error)]
    if problems:
        text = (
            f"{len(problems)} prefixes of {store.uri} do not expire as promised (the first: {problems[0]}): "
            "run `replaylake retention apply`"
        )
        if settings.retention.check == "refuse":
            raise ConfigurationError(f"retention.check: {text}")
        _log.warning(text)


@contextmanager
def _naming_the_disk(folder: Path) -> Iterator[None]:
    """What the disk of the recovery folder refuses, to the job or to the engine, names the setting and the folder."""
    try:
        yield
    except BaseException as error:  # a panic of the engine is no Exception, and its files are there too
        known = _of_the_disk(error, folder)
        if known is None:
            raise
        raise known from error


def _of_the_disk(error: BaseException, folder: Path) -> MustAct | None:
    where = f"run.recovery_dir: {folder}"
    found = list(causes(error))
    if any(isinstance(one, ReplayLakeError) for one in found):
        return None
    for one in found:
        if isinstance(one, OSError) and one.filename and Path(one.filename).is_relative_to(folder):
            return MustAct(f"{where}: {one.strerror} ({one.filename})")
    said = str(error)
    if "DiskFull" in said or "disk is full" in said:
        return MustAct(f"{where}: {os.strerror(errno.ENOSPC)}, says the engine")
    if "ReadOnly" in said or "readonly database" in said:
        return MustAct(f"{where}: {os.strerror(errno.EROFS)}, says the engine")
    return None


@contextmanager
def _stop_together(folder: RecoveryFolder, settings: Settings) -> Iterator[None]:
    """In a cluster, pass on a stop: the engine ends only when the sources of all processes do."""
    if len(settings.run.addresses) <= 1:
        yield
        return
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_STOP_LOOK_SECONDS):
            if stop_requested():
                folder.request_stop()
                return
            if folder.stop_requested():
                _log.info("another process of the job was told to stop")
                request_stop()
                return

    thread = threading.Thread(target=look, name="stop-together", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _set_up_engine_api(settings: Settings) -> None:
    """The engine reads its own settings from the environment when it starts."""
    if settings.run.engine_api_port:
        os.environ["BYTEWAX_DATAFLOW_API_ENABLED"] = "1"
        os.environ["BYTEWAX_DATAFLOW_API_PORT"] = str(settings.run.engine_api_port + settings.run.process_id)
        os.environ["BYTEWAX_DATAFLOW_API_CACHE_PATH"] = str(settings.run.recovery_dir)
