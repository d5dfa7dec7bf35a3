"""Engines that are too large for the project's own environment: `make engines` puts them into `.work/engines`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

_FOLDER = REPOSITORY / ".work" / "engines" / "bin"


def engines() -> Path:
    """Their commands; skips the test where they are not."""
    if not (_FOLDER / "python").exists():
        pytest.skip("no engines in .work/engines: `make engines` fetches Spark, ClickHouse and dbt")
    return _FOLDER


def asked(script: str, question: dict[str, Any]) -> dict[str, Any]:
    """What a script of this folder says, run with the engines' Python."""
    command = [str(engines() / "python"), str(Path(__file__).parent / script)]
    done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said
