"""The adapter to Bytewax: a shard of sessions as a stateful operator. It holds no rule."""

from collections.abc import Callable

from bytewax.operators import StatefulBatchLogic

from operators.arrivals import ShardBatch
from operators.closed_sessions import MemoLimits
from operators.sessions import SessionTracker, ShardOutput
from operators.windows import WindowRules


class ShardLogic(StatefulBatchLogic[ShardBatch, ShardOutput, bytes]):
    """Runs one `SessionTracker`. `drain_at_eof`: the input is bounded, so its end closes every window.

    The engine also signals an end of input when it is told to stop; then sessions must stay open for the next start.
    `watch` gets the tracker, for metrics.
    """

    def __init__(
        self,
        rules: WindowRules,
        limits: MemoLimits,
        watch: Callable[[SessionTracker], None],
        resume_state: bytes | None,
        *,
        drain_at_eof: bool,
    ) -> None:
        self._tracker = SessionTracker(rules, limits, resume_state or b"")
        self._drain_at_eof = drain_at_eof
        watch(self._tracker)

    def on_batch(self, values: list[ShardBatch]) -> tuple[list[ShardOutput], bool]:
        outputs = [self._tracker.apply(batch.seq, batch.clock_ms, batch.arrivals) for batch in values]
        return [output for output in outputs if output.items or output.orders], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[ShardOutput], bool]:
        outputs = [self._tracker.drain()] if self._drain_at_eof else []
        return [output for output in outputs if output.orders], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        return self._tracker.snapshot()
