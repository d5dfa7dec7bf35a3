"""A lake of the samples, made once, and servers over it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.store import LocalStore
from tests.flow.harness import capture_messages, run
from tests.serve.server import API, Served, serving

TOKEN_ALL = "all-apps-token-0123456789abcdef"
TOKEN_ONE = "one-app-token-0123456789abcdef"
GUANCE = "appid_a1b2c3d4e5f6"
TOKENS = f"""
[serve.tokens.everything]
token = "{TOKEN_ALL}"
apps = ["*"]
[serve.tokens.shop]
token = "{TOKEN_ONE}"
apps = ["{GUANCE}"]
"""
DATADOG = "6f2a1c9e-0000-4000-8000-000000000001"


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    messages = capture_messages(sorted(samples.glob("*/*.jsonl.gz")))
    run(messages, range(0, len(messages), 100), folder, store=LocalStore(folder))
    return folder


@pytest.fixture(scope="session")
def served(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Without tokens."""
    with serving(str(lake), tmp_path_factory.mktemp("open")) as server:
        yield server


@pytest.fixture(scope="session")
def guarded(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With a token for every app and one for the Guance app alone."""
    link_key = 'link_key = "a key for links that is long enough"\n'
    with serving(str(lake), tmp_path_factory.mktemp("guarded"), link_key + TOKENS) as server:
        yield server


@pytest.fixture(scope="session")
def rows(served: Served) -> list[dict[str, Any]]:
    """Every window of the lake."""
    found: list[dict[str, Any]] = served.ask(f"{API}/sessions?limit=500").json()["sessions"]
    return found
