"""A limit has one default: a struct built without settings holds what the settings give without a configuration."""

from pathlib import Path

import pytest

from flows.services.serve import _options
from flows.settings import IntakeSettings, Settings, load_settings
from flows.wiring import source_options
from intake.policy import GuardLimits, Policy
from operators.input.quarantine_share import ShareLimits
from operators.input.receive_clock import ClockRules
from operators.windows.memos import MemoLimits
from operators.windows.rules import WindowRules
from operators.wire.unusable import Limits
from sinks.writer import LakeLimits
from viewer.options import ServeOptions


@pytest.fixture(name="settings")
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return load_settings()


def test_the_job_s_structs_and_settings_have_the_same_defaults(settings: Settings) -> None:
    assert settings.sessions.rules() == WindowRules()
    assert settings.sessions.memo_limits(shards=1) == MemoLimits()
    assert settings.limits.decode() == Limits()
    assert settings.limits.share() == ShareLimits()
    assert settings.limits.lake() == LakeLimits()
    assert source_options(settings).clock == ClockRules()


def test_the_services_structs_and_settings_have_the_same_defaults(settings: Settings, tmp_path: Path) -> None:
    intake = IntakeSettings()
    assert intake.policy(Limits()) == Policy(Limits())
    assert intake.guard(intake.connections) == GuardLimits()
    own_names = _options(settings, tmp_path).own_names  # follows from the address and the tokens
    assert _options(settings, tmp_path) == ServeOptions(tmp_path, own_names=own_names, origins=[], lake="lake")


def test_shards_share_what_the_job_remembers() -> None:
    assert MemoLimits(size_bytes=100, forgotten=9).of_shard(4) == MemoLimits(size_bytes=25, forgotten=2)
    assert MemoLimits(forgotten=3).of_shard(4).forgotten == 1
