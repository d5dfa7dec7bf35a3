"""A side of a measurement as a process of its own, charged with everything that this process spends."""

import atexit
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

REPOSITORY = Path(__file__).parent.parent


class Spent(msgspec.Struct):
    """What one side did, and what it took. CPU is user and system time of the process with all its threads."""

    items: int
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    more: dict[str, float] = {}


def charged(work: Callable[[], tuple[int, Mapping[str, float]]]) -> None:
    """Run `work`, which returns how many items it handled and figures of its own; print what was spent as JSON."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    items, more = work()
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    spent = Spent(
        items=items,
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        wall_seconds=ended - started,
        peak_bytes=memory_bytes("VmHWM"),
        more=dict(more),
    )
    print(msgspec.json.encode(spent).decode(), flush=True)


def memory_bytes(what: str, process: str = "self") -> int:
    """`VmHWM` (peak) or `VmRSS` (now) of a process. Not `ru_maxrss`, which begins with what the parent had."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))


class _NoPandas:
    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ImportError(fullname)


def refuse_pandas() -> None:
    """As where a job runs: pyarrow imports pandas where that is installed, as it is here."""
    sys.meta_path.insert(0, _NoPandas())


def run_side(name: str, arguments: Mapping[str, object], python: Sequence[str] = ()) -> Spent:
    """Run `bench/sides/<name>.py` in a fresh process with a scratch folder. `python`: another interpreter."""
    command = [*python, str(REPOSITORY / "bench" / "sides" / f"{name}.py")] if python else _own(name)
    given = json.dumps({**arguments, "work": tempfile.mkdtemp(dir=_scratch())})
    done = subprocess.run([*command, given], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if done.returncode != 0:
        raise RuntimeError(f"side {name!r} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Spent)


@lru_cache(1)
def _scratch() -> str:
    """Deleted at the end, not after each side: for minutes ext4 looks in vain at each inode that has become free."""
    folder = tempfile.TemporaryDirectory(prefix="replaylake-bench-")
    atexit.register(folder.cleanup)
    return folder.name


def _own(name: str) -> list[str]:
    return [sys.executable, "-m", f"bench.sides.{name}"]
