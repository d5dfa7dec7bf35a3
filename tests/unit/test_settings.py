"""Settings: one clear line that names what is wrong, flags over environment over file over defaults."""

from pathlib import Path

import pytest

from flows.settings import ConfigurationError, load_settings
from schemas.units import MIB


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration file of the developer leaks in."""
    monkeypatch.chdir(tmp_path)


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().run.epoch_seconds == 10
    (tmp_path / "replaylake.toml").write_text("[run]\nepoch_seconds = 20\ncache_bytes = 7\n")
    assert load_settings().run.epoch_seconds == 20
    monkeypatch.setenv("REPLAYLAKE_RUN__EPOCH_SECONDS", "30")
    assert load_settings().run.epoch_seconds == 30
    settings = load_settings(run={"epoch_seconds": 40})
    assert (settings.run.epoch_seconds, settings.run.cache_bytes) == (40, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run]\nepochs = 1\n", "run.epochs: unknown setting"),
        ("[run]\nprocess_id = 1\n", "run.process_id 1 is beyond run.addresses"),
        ("[http]\naddress = 'here'\n", "http.address: "),
        ("[log]\nformat = 'xml'\n", "log.format: "),
        ("[sessions]\nmemo_hours = 37\n", "sessions.memo_hours: "),
        ("[retention]\ncheck = 'maybe'\n", "retention.check: "),
        ("lake = 'ftp://x'\n", "lake: "),
        ("lake = \n", "replaylake.toml: "),
    ],
)
def test_a_wrong_setting_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "replaylake.toml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_misspelt_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLAYLAKE_RUNN__EPOCH_SECONDS", "1")
    with pytest.raises(ConfigurationError, match="REPLAYLAKE_RUNN__EPOCH_SECONDS: unknown setting in the environment"):
        load_settings()


def test_memory_of_closed_sessions_is_shared_by_all_shards() -> None:
    """Whatever the number of processes: it depends on the shards only."""
    sessions = load_settings(sessions={"memo_bytes": 16 * MIB, "forgotten_sessions": 15}).sessions
    assert sessions.memo_limits(shards=16).size_bytes == MIB
    assert sessions.memo_limits(shards=16).forgotten == 1


@pytest.mark.parametrize(("address", "place"), [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:80", ("::1", 80))])
def test_an_address_is_host_and_port(address: str, place: tuple[str, int]) -> None:
    assert load_settings(http={"address": address}).http.place() == place
