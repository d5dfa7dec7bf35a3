"""What reading table files may take. Apart from the reader: settings know these, and need no DuckDB."""

import msgspec

from schemas.units import GIB, MIB


class ReadLimits(msgspec.Struct, frozen=True):
    """`cache_bytes`: of blocks; `memory_bytes`: of DuckDB; `at_once`: files being read; the others: of one question."""

    cache_bytes: int = 128 * MIB
    memory_bytes: int = 256 * MIB
    at_once: int = 8
    question_bytes: int = 512 * MIB
    question_seconds: float = 30.0
    scan_memory_bytes: int = 512 * MIB  # of DuckDB, for questions over all sessions
    scan_bytes: int = 4 * GIB  # of one of these, what is in memory already included
    scan_threads: int = 0  # as many as there are cores
