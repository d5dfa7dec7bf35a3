"""Whatever is asked, as described or not: the server never fails, and every answer is as the description says."""

import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LONG
from tests.serve.conftest import TOKEN_ONE
from tests.serve.server import API, Served

EXAMPLES = "100" if LONG else "2"  # for each route
ALL_PHASES = "examples,coverage,fuzzing"
_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
_SCHEMATHESIS = Path(sysconfig.get_path("scripts"), "schemathesis")


@pytest.mark.slow
@pytest.mark.parametrize(("who", "ids", "phases"), [("open", "any", "fuzzing"), ("guarded", "known", "coverage")])
@pytest.mark.timeout(7200 if LONG else 1200)
def test_no_request_makes_the_server_fail(  # noqa: PLR0913 - fixtures
    served: Served, guarded: Served, rows: list[dict[str, Any]], tmp_path: Path, ids: str, who: str, phases: str
) -> None:
    server = guarded if who == "guarded" else served
    row = next(row for row in rows if row["app_id"].startswith("appid"))
    parameters = f'app = "{row["app_id"]}"\nsession = "{row["session_id"]}"\n' if ids == "known" else ""
    (tmp_path / "schemathesis.toml").write_text(f"[parameters]\n{parameters}")
    description = tmp_path / "openapi.json"
    description.write_bytes(server.ask(f"{API}/openapi.json").body)
    command = [
        *(str(_SCHEMATHESIS), "--config-file", str(tmp_path / "schemathesis.toml")),
        *("run", str(description), "--url", server.url, "--checks", _CHECKS, "--mode", "all"),
        *("--phases", ALL_PHASES if LONG else phases, "--max-examples", EXAMPLES, "--seed", "1"),
        *("--suppress-health-check", "all", "--request-timeout", "60", "--no-color"),
        *(("--header", f"Authorization: Bearer {TOKEN_ONE}") if who == "guarded" else ()),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
