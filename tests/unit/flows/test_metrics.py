"""What /health says of a job: looks at the input, commits, and work that takes long."""

import time

import pytest
from prometheus_client import CollectorRegistry

from flows.metrics import JobMetrics
from flows.settings import HttpSettings


@pytest.mark.parametrize(("worked_ago", "is_alive"), [(None, False), (1000.0, False), (800.0, True)], ids=str)
def test_a_job_that_writes_windows_lives_though_it_does_not_look_at_its_input(
    worked_ago: float | None,
    is_alive: bool,  # noqa: FBT001 - a case
) -> None:
    """As when a backlog closes in one call."""
    metrics = JobMetrics("test", CollectorRegistry())
    metrics._started_at -= 3_600
    if worked_ago is not None:
        metrics.worked_at = time.monotonic() - worked_ago
    found, said = metrics.health(HttpSettings(live_seconds=900), ready=False)
    assert found is is_alive
    assert said["input_age_seconds"] == pytest.approx(3_600, abs=60)
