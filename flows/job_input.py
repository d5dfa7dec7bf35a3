"""What a job's state belongs to: shards, topics, rules. Decided at the first start, held against every later one.

<recovery folder>/input.json    beside the engine's files; every process of a job reads the same
"""

import fcntl
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from flows.broker import TopicFacts
from flows.logs import LOGGER
from flows.recovery_folder import folder_job, replace_file
from flows.settings import ConfigurationError, Settings
from flows.topic_source import Begin
from operators.input.receive_clock import Input

_FILE = "input.json"
_LOCK = "input.lock"
_VERSION = 1

_log = logging.getLogger(LOGGER)


class TopicBegin(msgspec.Struct):
    """A topic as the first start found it. `offsets`: by partition; what is not there begins at its beginning.

    `is_left`: it is no longer in the settings. The readers still know how far they were.
    """

    topic_id: str | None
    offsets: dict[int, int]
    is_left: bool = False


class JobInput(msgspec.Struct):
    """The content of the file. `sessions`: the window rules that the state was last used with."""

    version: int
    shards: int
    topics: dict[str, TopicBegin]
    sessions: dict[str, int]
    start: str | None = None  # `kafka.start`, which decided where partitions begin

    @property
    def names(self) -> list[str]:
        """Of the shards, and of the readers beside them."""
        return part_names(self.shards)

    def begin(self) -> dict[Input, Begin]:
        """Where partitions begin that do not begin at their beginning."""
        return {
            (topic, number): Begin(offset, one.topic_id)
            for topic, one in self.topics.items()
            for number, offset in one.offsets.items()
        }


def part_names(count: int) -> list[str]:
    """Names of that many shards or readers."""
    return [f"{number:04d}" for number in range(count)]


def open_input(
    settings: Settings,
    facts: Mapping[str, TopicFacts],
    first_offset: Callable[[Input], int | None],
    *,
    is_new: bool = False,
) -> JobInput:
    """What the state belongs to, made at the first start. `first_offset`: where a partition is to begin; None: at its
    beginning.

    `is_new`: no lake belongs to it yet. Raises ConfigurationError when the settings or the topics are not those that
    the state was made with.
    """
    folder = settings.run.recovery_dir
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a+b") as lock:  # processes of a cluster start together
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(folder / _FILE)
        if is_new and known is not None and known.start != settings.kafka.start:
            known = None  # that start came to nothing, and now it is to begin elsewhere
        found = _first(settings, facts, first_offset) if known is None else _held_against(known, settings, facts)
        if known is None or found != known:
            replace_file(folder / _FILE, msgspec.json.encode(found))
    if len(settings.run.addresses) > found.shards:
        raise ConfigurationError(
            f"run.addresses: {len(settings.run.addresses)} processes for {found.shards} shards; some would idle"
        )
    return found


def refuse_second_reading(settings: Settings, owner: str) -> None:
    """Refuse to put a range of topics into the lake of a job that reads them: its sessions would be there twice, and
    where both make a replay of one name with different content, the job would stop.

    `owner`: the id of the job that writes the lake. Raises ConfigurationError, also where its topics cannot be known.
    """
    folder = settings.run.recovery_dir
    owned = f"{settings.lake} is written by a job ({owner})"
    elsewhere = "Give the range a lake of its own with --lake, see 'Replay from a date' in docs/operations.md"
    known = _read(folder / _FILE) if folder_job(folder) == owner else None
    if known is None:
        raise ConfigurationError(
            f"backfill --topic: {owned}, and whether it reads {_listed(set(settings.kafka.topics))} is known in its "
            f"recovery folder, which {folder} is not: name it in run.recovery_dir. {elsewhere}"
        )
    twice = known.topics.keys() & set(settings.kafka.topics)
    if twice:
        raise ConfigurationError(
            f"backfill --topic: {owned} that reads {_listed(twice)} itself: its sessions would be there twice. "
            f"{elsewhere}"
        )


def _read(path: Path) -> JobInput | None:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=JobInput)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"run.recovery_dir: {path} is not readable: {error}") from error
    if found.version != _VERSION:
        raise ConfigurationError(f"run.recovery_dir: {path} has version {found.version}, this release reads {_VERSION}")
    return found


def _first(
    settings: Settings, facts: Mapping[str, TopicFacts], first_offset: Callable[[Input], int | None]
) -> JobInput:
    topics = {}
    for name, topic in facts.items():
        offsets = {number: at for number in topic.partitions if (at := first_offset((name, number))) is not None}
        topics[name] = TopicBegin(topic.topic_id, offsets)
    largest = max(max(topic.partitions) + 1 for topic in facts.values())
    return JobInput(_VERSION, settings.run.shards or largest, topics, _rules(settings), settings.kafka.start)


def _held_against(known: JobInput, settings: Settings, facts: Mapping[str, TopicFacts]) -> JobInput:
    folder = settings.run.recovery_dir
    if settings.run.shards not in {0, known.shards}:
        raise ConfigurationError(
            f"run.shards: {settings.run.shards}, but the state in {folder} has {known.shards}, and they cannot change"
        )
    added = facts.keys() - known.topics.keys()
    left = {name for name, topic in known.topics.items() if name not in facts and not topic.is_left}
    again = {name for name, topic in known.topics.items() if name in facts and topic.is_left}
    if added and left:
        raise ConfigurationError(
            f"kafka.topics: the state in {folder} belongs to {_listed(left)}, not to {_listed(added)}: a renamed or "
            "mirrored topic would be read again from its beginning. Name the old topics, or go on with a new recovery "
            "folder, --take-over and --start, see 'Restore' in docs/operations.md"
        )
    if added:
        _log.info("topics new to this job, read from their beginning: %s", _listed(added))
    if again:
        _log.info("topics read again, from where they were left: %s", _listed(again))
    if left:
        _log.warning("topics no longer read: %s", _listed(left))
    rules = _rules(settings)
    for name, value in rules.items():
        before = known.sessions.get(name, value)
        if before != value:
            _log.warning("sessions.%s was %s and is %s: it holds for what arrives from now on", name, before, value)
    topics = {
        name: TopicBegin(topic.topic_id, topic.offsets, is_left=name not in facts)
        for name, topic in known.topics.items()
    } | {name: TopicBegin(facts[name].topic_id, {}) for name in sorted(added)}
    return JobInput(_VERSION, known.shards, topics, rules, known.start)


def _rules(settings: Settings) -> dict[str, int]:
    return settings.sessions.model_dump()


def _listed(names: "set[str]") -> str:
    return ", ".join(repr(name) for name in sorted(names))
