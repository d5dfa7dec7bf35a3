"""`make fuzz`: coverage-guided fuzzing of the decoders, of what a window's close and a player do with their items.

libFuzzer (through atheris) keeps what reaches new code; the mutations are ours. A finding ends the run and is left as a
file that `python -m tests.fuzz FILE` runs again.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["operators", "lake"]):
    from tests.fuzz.account import Depth, account

from tests.fuzz.corpus import real_messages, restored, stored
from tests.fuzz.mutate import mutate

_DEPTHS = [Depth.CLOSE, *[Depth.DECODE] * 4, Depth.PLAY, *[Depth.DECODE] * 4]  # in turn
_SLOW_SECONDS = 5
_SIZE_MAX = 2 << 20
_REPORT_EVERY = 100_000


class Run:
    """Totals of a run, and the corpus that mutations borrow from."""

    def __init__(self, target: int, depths: Sequence[Depth]) -> None:
        self._target = target
        self._depths = depths
        self._begun = time.monotonic()
        self.messages = real_messages()
        self.ends: Counter[str] = Counter()
        self.payloads = 0
        self.slowest = 0.0

    def one(self, content: bytes) -> None:
        message = restored(content)
        if message is None:
            return
        self.payloads += 1
        begun = time.perf_counter()
        self.ends += account(message, self._depths[self.payloads % len(self._depths)])
        self.slowest = max(self.slowest, time.perf_counter() - begun)
        if self.payloads % _REPORT_EVERY == 0 or self.payloads == self._target:  # libFuzzer ends without a word to us
            self._report()

    def mutated(self, content: bytes, _size_max: int, seed: int) -> bytes:
        chance = random.Random(seed)
        message = restored(content) or chance.choice(self.messages)
        return stored(mutate(message, chance.choice(self.messages), chance))

    def _report(self) -> None:
        seconds = time.monotonic() - self._begun
        print(f"{self.payloads:,} payloads in {seconds:.0f} s, slowest {self.slowest * 1000:.0f} ms")
        for end, count in sorted(self.ends.items()):
            print(f"  {count:12,} {end}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description=__doc__)
    parser.add_argument("finding", nargs="?", type=Path, help="run this one message again")
    parser.add_argument("--payloads", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--depth", choices=[depth.name.lower() for depth in Depth], help="all of them only so far")
    parser.add_argument("--work", type=Path, default=Path(".work/fuzz"), help="corpus and findings")
    options = parser.parse_args()
    if options.finding:
        message = restored(options.finding.read_bytes())
        assert message is not None
        print(message, *(account(message, depth) for depth in Depth))
        return
    run = Run(options.payloads, [Depth[options.depth.upper()]] if options.depth else _DEPTHS)
    corpus = options.work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(run.messages):
        (corpus / f"real-{number:05d}").write_bytes(stored(message))
    arguments = [
        sys.argv[0], f"-runs={options.payloads}", f"-seed={options.seed}", f"-timeout={_SLOW_SECONDS}",
        f"-max_len={_SIZE_MAX}", "-len_control=0", "-rss_limit_mb=1024", f"-artifact_prefix={options.work}/finding-",
        "-print_final_stats=1", "-reduce_inputs=0", str(corpus),
    ]  # fmt: skip

    atheris.Setup(arguments, run.one, custom_mutator=run.mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
