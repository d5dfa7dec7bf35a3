"""Running a dataflow: recovery folder, epochs, and what is published after the end."""

from datetime import timedelta

from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main, run_main

from flows.session_replay import Job
from flows.settings import ConfigurationError, Settings

_ONE_EPOCH = timedelta(days=365)  # a bounded run commits once, at its end: a rerun makes the same objects
_LAYOUT_MARK = "shards"


def run_unbounded(job: Job, settings: Settings) -> None:
    """Run until a stop is requested; sessions stay open in the recovery folder."""
    config = recovery(settings)
    cluster_main(
        job.flow,
        [],
        0,
        epoch_interval=timedelta(seconds=settings.run.epoch_seconds),
        recovery_config=config,
    )
    job.sink.publish_all()  # the last epoch is committed, so nothing needs to wait for the next start


def run_bounded(job: Job) -> None:
    """Run to the end of the input, then make everything visible."""
    run_main(job.flow, epoch_interval=_ONE_EPOCH)
    job.sink.publish_all()
    job.sink.delete_packs()


def run_bounded_with_recovery(job: Job, settings: Settings) -> None:
    """A bounded run that commits as the streaming job does: the same work, with an end."""
    epoch = timedelta(seconds=settings.run.epoch_seconds)
    cluster_main(job.flow, [], 0, epoch_interval=epoch, recovery_config=recovery(settings))
    job.sink.publish_all()


def recovery(settings: Settings) -> RecoveryConfig:
    """The recovery folder, made if it is empty. Raises ConfigurationError when it was made for another layout."""
    folder = settings.run.recovery_dir
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / _LAYOUT_MARK
    if not list(folder.glob("part-*.sqlite3")):
        init_db_dir(folder, settings.run.recovery_parts)
        mark.write_text(f"{settings.sessions.shards}\n")
    elif not mark.exists() or mark.read_text().strip() != str(settings.sessions.shards):
        raise ConfigurationError(
            f"sessions.shards: {folder} holds the state of {mark.read_text().strip() if mark.exists() else '?'} shards "
            f"per partition, not {settings.sessions.shards}"
        )
    return RecoveryConfig(str(folder))
