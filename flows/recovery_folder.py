"""The recovery folder: made once, locked while a process uses it, checked against the settings.

<folder>/layout.json           the version of all this, and the id of the job it belongs to
<folder>/input.json            shards, topics and rules that the state was made with (flows/job_input.py)
<folder>/part-<n>.sqlite3      the engine's files
<folder>/sessions/             open and remembered sessions of each shard (sinks/session_journal.py)
<folder>/lock-<process>        held by that process of the job; the kernel lets go of it when the process dies
<folder>/quarantine-stop       when limits.quarantine_share stopped the job last (flows/decoding.py)
<folder>/stop                  when a graceful stop of all processes was asked for
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from bytewax.recovery import RecoveryConfig, init_db_dir

from flows.settings import ConfigurationError, Settings
from schemas.errors import Declined

QUARANTINE_STOP = "quarantine-stop"
_LAYOUT = "layout.json"
_LAYOUT_LOCK = "layout.lock"
# Until 5 its parts were partitions; until 4 it led to packs of version 1; until 3 the engine's files held the sessions.
_VERSION = 6
_MARK_OF_VERSION_1 = "shards"  # a file beside the engine's, and no layout


class FolderInUse(Declined):
    """Another process works with this folder."""


class _Layout(msgspec.Struct):
    version: int
    job_id: str
    is_made: bool = False  # the engine's files are all there
    is_claimed: bool = False  # the lake has been told that it belongs to this job
    has_taken_over: bool = False  # another job had written that lake before
    parts: int = 0  # of the engine's files


class RecoveryFolder:
    """An opened recovery folder."""

    def __init__(self, path: Path, layout: _Layout) -> None:
        self._path = path
        self._layout = layout
        self._opened_at = time.time()

    @property
    def job_id(self) -> str:
        """Which job the state belongs to; the lake knows it too."""
        return self._layout.job_id

    @property
    def is_new(self) -> bool:
        """Whether no lake belongs to this state yet."""
        return not self._layout.is_claimed

    def engine_config(self) -> RecoveryConfig:
        """For the engine."""
        return RecoveryConfig(str(self._path))

    @property
    def has_taken_over(self) -> bool:
        """Whether another job had written the lake before."""
        return self._layout.has_taken_over

    def claim(self, is_anothers: Callable[[], bool], claim: Callable[[bool], object]) -> None:
        """Let the lake know its owner: one process of a cluster at a time, so that only the first takes it over.

        `claim` is told whether no lake belongs to this state yet. A take-over is noted before it, in case of a crash.
        """
        with _locked(self._path / _LAYOUT_LOCK, wait=True):
            self._layout = _read(self._path) or self._layout
            if self.is_new and is_anothers():
                self._layout.has_taken_over = True
                _write(self._path, self._layout)
            claim(self.is_new)
            if self.is_new:
                self._layout.is_claimed = True
                _write(self._path, self._layout)

    def request_stop(self) -> None:
        """Ask every process of the job to stop."""
        replace_file(self._path / "stop", repr(time.time()).encode())

    def stop_requested(self) -> bool:
        """Whether one of them asked since this one opened the folder."""
        try:
            return float((self._path / "stop").read_text()) > self._opened_at
        except FileNotFoundError:
            return False


@contextmanager
def open_recovery_folder(settings: Settings) -> Iterator[RecoveryFolder]:
    """The folder of the settings, made if it is empty, locked while the block lasts.

    Raises FolderInUse, and ConfigurationError when it was made by other settings or another release.
    """
    path = settings.run.recovery_dir
    path.mkdir(parents=True, exist_ok=True)
    with _locked(path / f"lock-{settings.run.process_id}", wait=False):
        with _locked(path / _LAYOUT_LOCK, wait=True):  # processes of a cluster start together
            layout = _read(path) or _Layout(_VERSION, secrets.token_hex(8))
            _make(path, layout, settings.run.recovery_parts)
        yield RecoveryFolder(path, layout)


@contextmanager
def unused_folder(path: Path) -> Iterator[str | None]:
    """The id of the job whose folder this is, locked against its start while the block lasts; None where there is none.

    Raises FolderInUse while the job runs.
    """
    with ExitStack() as locks:
        for lock in sorted({*path.glob("lock-*"), path / "lock-0"}) if (path / _LAYOUT).exists() else ():
            locks.enter_context(_locked(lock, wait=False))
        layout = _read(path) if (path / _LAYOUT).exists() else None
        yield layout.job_id if layout is not None else None


def folder_job(path: Path) -> str | None:
    """The id of the job whose folder this is, also while it runs; None where there is none."""
    layout = _read(path)
    return layout.job_id if layout is not None else None


def _read(path: Path) -> _Layout | None:
    try:
        layout = msgspec.json.decode((path / _LAYOUT).read_bytes(), type=_Layout)
    except FileNotFoundError:
        _refuse_strangers(path)
        return None
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"run.recovery_dir: {path / _LAYOUT} is not readable: {error}") from error
    if layout.version != _VERSION:
        raise _other_version(path, layout.version)
    return layout


def _refuse_strangers(path: Path) -> None:
    """A new folder is fine; state of somebody else is not."""
    if (path / _MARK_OF_VERSION_1).exists():
        raise _other_version(path, 1)
    if any(path.glob("part-*.sqlite3")):
        raise ConfigurationError(
            f"run.recovery_dir: {path} was made by the engine alone: use it with `python -m bytewax.run`"
        )


def _other_version(path: Path, version: int) -> ConfigurationError:
    return ConfigurationError(
        f"run.recovery_dir: {path} has version {version}, this release reads version {_VERSION}; "
        "see 'Upgrade' in docs/operations.md"
    )


def _make(path: Path, layout: _Layout, parts: int) -> None:
    """Make the engine's files, unless they were; from the beginning, when a crash came in between."""
    if layout.is_made:
        if layout.parts != parts:
            raise ConfigurationError(
                f"run.recovery_parts: {parts}, but {path} was made with {layout.parts}, and they cannot change"
            )
        return
    layout.parts = parts
    _write(path, layout)
    for half_made in path.glob("part-*.sqlite3*"):
        half_made.unlink()
    init_db_dir(path, parts)
    layout.is_made = True
    _write(path, layout)


def _write(path: Path, layout: _Layout) -> None:
    replace_file(path / _LAYOUT, msgspec.json.encode(layout))


def replace_file(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[None]:
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode(errors="replace") or "?"
            raise FolderInUse(
                f"{path.parent} is in use by another job (process {holder} on its machine): two jobs on one recovery "
                "folder would write everything twice. Stop the other one first"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield
