"""The page about the settings: up to date, complete, and true of the environment."""

from pathlib import Path

import pytest

from flows.settings import load_settings
from flows.settings_doc import ONCE_THERE_IS_STATE, keys, settings_markdown

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
LINES = {line.split("`")[1]: line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")}


def test_the_page_about_the_settings_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_markdown(), (
        "run: python -m flows.settings_doc > docs/settings.md"
    )


@pytest.mark.parametrize("key", keys())
def test_a_setting_has_a_meaning(key: str) -> None:
    cells = [cell.strip() for cell in LINES[key].split(" | ")]
    assert all(cells[:5]), "key, environment, type, default or meaning is missing"


@pytest.mark.parametrize("place", ONCE_THERE_IS_STATE)
def test_what_may_not_change_is_said_of_settings_that_exist(place: str) -> None:
    assert any(key == place or (place.endswith(".") and key.startswith(place)) for key in keys())


@pytest.mark.parametrize("key", [key for key in keys() if ".NAME." not in key and key.endswith("_seconds")])
def test_a_variable_of_the_page_sets_its_key(key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    variable = LINES[key].split("`")[3]
    monkeypatch.setenv(variable, "3599")
    found: object = load_settings()
    for name in key.split("."):
        found = getattr(found, name)
    assert found == 3599


def test_units_and_limits_are_told() -> None:
    assert "| whole number, s, > 0 | `900` |" in LINES["sessions.gap_seconds"]
    assert "| whole number, days, ≥ 1, ≤ 3650 | not set |" in LINES["retention.replay_days"]
    assert "`off` or `warn` or `refuse`" in LINES["retention.check"]
    assert "**fixed**" in LINES["run.shards"]
    assert "in `REPLAYLAKE_APPS`" in LINES["apps.NAME.retention_days"]
