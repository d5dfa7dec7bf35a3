"""How much a measurement is asked to do."""

import msgspec


class Options(msgspec.Struct, frozen=True):
    """`full`: the big size. `rounds`: how often every side runs. `seed`: of the traffic."""

    full: bool = False
    rounds: int = 3
    seed: int = 1

    def size(self, quick: int, full: int) -> int:
        """One of two sizes."""
        return full if self.full else quick
