"""What a process loads that only runs the job."""

import subprocess
import sys

NOT_OF_THE_JOB = {"duckdb", "fastapi", "uvicorn", "pyiceberg", "sqlalchemy"}  # of extras, and slow to load


def test_the_job_loads_nothing_of_other_commands() -> None:
    code = "import sys, flows.cli.job, flows.job, flows.wiring; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "bytewax" in loaded
    assert NOT_OF_THE_JOB.isdisjoint(loaded)
