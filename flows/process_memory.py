"""How a process of the job asks for memory and looks for garbage."""

import ctypes
import gc

import pyarrow as pa

from schemas.units import MIB

_OBJECTS_A_COLLECTION = 10_000
# Parameters of mallopt(3), as glibc's malloc.h numbers them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 256 * MIB


def settle_memory() -> None:
    """Call it once, after the imports and before there are threads.

    Items and rows come in thousands and hold no cycles: looking for some after every 700 objects finds nothing.

    Packs, bundles and inflated segments are large and short-lived. By itself glibc gives such memory back at once and
    asks for it again, and the kernel clears every page: a twentieth of the time of a job that reads replays. Here up to
    256 MiB of freed memory stay with the process; its peak grows by 2 % at most. Arrow asks there too: its own pool
    keeps as much again, and its columns are short-lived as well. Another C library keeps its own ways.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_ARENA_MAX, 1)  # else each thread has its own, and one cannot use what another has freed
        pa.set_memory_pool(pa.system_memory_pool())
