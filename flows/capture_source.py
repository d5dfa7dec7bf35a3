"""Capture files as a bounded source: one reader, in order of receive time."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.captures import CaptureCounts, CaptureError, read_captures
from flows.stopping import stop_requested
from operators.arrivals import Poll, Received

READER = "backfill"
_BATCH_BYTES = 4 << 20


class CaptureSource(FixedPartitionedSource[Poll, bytes]):
    """Capture files, merged. `progress` is told the number of messages read so far.

    What ends the reading early is kept for the caller: the engine answers an exception of a source with a panic and a
    trace of its own.
    """

    def __init__(self, paths: Sequence[Path], counts: CaptureCounts, progress: Callable[[int], None]) -> None:
        self._paths = paths
        self._counts = counts
        self._progress = progress
        self._failure: Exception | None = None

    def list_parts(self) -> list[str]:
        return [READER]

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "CapturePartition":
        return CapturePartition(self._paths, self._counts, self._progress, self._fail)

    def _fail(self, failure: Exception) -> None:
        self._failure = failure

    def failure(self) -> Exception | None:
        """Why the files were not read to their end, once the run is over."""
        return self._failure


class CapturePartition(StatefulSourcePartition[Poll, bytes]):
    """Cuts batches by size, so that a run over the same files is the same run."""

    def __init__(
        self,
        paths: Sequence[Path],
        counts: CaptureCounts,
        progress: Callable[[int], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._messages = read_captures(paths, counts)
        self._counts = counts
        self._progress = progress
        self._fail = fail
        self._clock_ms = 0
        self._is_ended = False

    def next_batch(self) -> list[Poll]:
        try:
            return self._next_batch()
        except (CaptureError, InterruptedError) as failure:
            self._fail(failure)
            raise StopIteration from None

    def _next_batch(self) -> list[Poll]:
        if stop_requested():
            raise InterruptedError("stopped before the end: nothing was published; run it again")
        received: list[Received] = []
        size = 0
        for captured in self._messages:
            self._clock_ms = max(self._clock_ms, captured.message.received_ms)
            received.append(Received(captured.name, 0, captured.line, self._clock_ms, captured.message))
            size += len(captured.message.value)
            if size > _BATCH_BYTES:
                break
        if self._is_ended:
            raise StopIteration
        self._is_ended = not received
        self._progress(self._counts.messages)
        return [Poll(READER, self._clock_ms, received, is_last=self._is_ended)]

    def snapshot(self) -> bytes:
        return b""
