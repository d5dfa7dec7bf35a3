"""What an operator decides of the service, as its parts need it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from lake.read_limits import ReadLimits
from operators.windows.rules import WindowRules
from schemas.units import GIB


class IndexLimits(msgspec.Struct, frozen=True):
    """What the index may use. `memory_bytes`: of DuckDB; `threads` 0: as many as there are cores."""

    memory_bytes: int = 1 * GIB
    threads: int = 0


class QuestionLimits(msgspec.Struct, frozen=True):
    """Of questions to DuckDB: how many at once, how long each may wait for its turn, and how long it may take."""

    at_once: int = 4
    wait_seconds: float = 10.0
    answer_seconds: float = 15.0


class ServeOptions(msgspec.Struct, frozen=True):
    """`origins`: whose images and styles a recording may load."""

    index_dir: Path  # of this process alone
    index: IndexLimits = IndexLimits()
    questions: QuestionLimits = QuestionLimits()
    reads: ReadLimits = ReadLimits()
    refresh_seconds: float = 2.0
    requests_at_once: int = 32
    link_seconds_max: int = 7 * 86_400
    sign_in_seconds: int = 12 * 3600
    lake: str = ""  # how people call it
    public_url: str = ""
    origins: Sequence[str] = ()
    app_names: Mapping[str, str] = MappingProxyType({})  # what people call an app, by its id
    own_names: frozenset[str] | None = None  # only these host names are answered; None: any
    rules: WindowRules = WindowRules()  # those of the job
