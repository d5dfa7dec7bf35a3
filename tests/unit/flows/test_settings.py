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


@pytest.mark.parametrize(
    ("text", "topics"),
    [("rum", ["rum"]), ("rum, replay", ["rum", "replay"]), ('["rum"]', ["rum"]), ("a.b-c", ["a.b-c"])],
)
def test_a_list_in_the_environment_is_json_or_plain_words(
    text: str, topics: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLAYLAKE_KAFKA__TOPICS", text)
    assert load_settings().kafka.topics == topics


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("KAFKA__TOPICS", '["rum"'),
        ("KAFKA", "rum"),
        ("KAFKA__CLIENT", "ssl"),
        ("INTAKE__MASK__PATTERNS", r"\d{16}"),
        ("APPS", "shop"),
    ],
)
def test_what_is_not_json_names_the_variable(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"REPLAYLAKE_{name}", text)
    with pytest.raises(ConfigurationError, match=f"^REPLAYLAKE_{name}: is not JSON like "):
        load_settings()


@pytest.mark.parametrize("lake", ["lake", "./a:b/lake", "/srv/lake", "s3://bucket", "s3://bucket/a/b", "a:/b"])
def test_a_lake_is_a_path_or_a_bucket(lake: str) -> None:
    assert load_settings(lake=lake).lake == lake


@pytest.mark.parametrize(
    "lake",
    ["", " ", "s3:/lake", "s3://", "s3:///x", "S3://b/x", "file://", "file:///srv", "file:/srv", "gs://b", "az:/b"],
)
def test_nothing_else_is_a_lake(lake: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^lake: "):
        load_settings(lake=lake)


@pytest.mark.parametrize("servers", ["h", "h:9092", "a:1,b:65535", "a:1, b:2", "SASL_SSL://h:9093", "[::1]:9092"])
def test_bootstrap_servers_are_hosts_and_ports(servers: str) -> None:
    assert load_settings(kafka={"bootstrap": servers}).kafka.bootstrap == servers


@pytest.mark.parametrize("servers", ["", "h:", "h:0", "h:65536", "h:x", "kafka://h:1", "a:1,", "a b:1", "http://h:1"])
def test_nothing_else_is_a_bootstrap_server(servers: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^kafka\.bootstrap: .*is not host:port"):
        load_settings(kafka={"bootstrap": servers})


def test_a_gap_may_be_as_long_as_the_cap_and_not_longer() -> None:
    assert load_settings(sessions={"gap_seconds": 60, "cap_seconds": 60}).sessions.gap_seconds == 60
    with pytest.raises(ConfigurationError, match=r"gap_seconds \(61\) is longer than cap_seconds \(60\)"):
        load_settings(sessions={"gap_seconds": 61, "cap_seconds": 60})


def test_sessions_and_their_memos_end_before_their_packs_do() -> None:
    times = {"gap_seconds": 900, "lateness_seconds": 60, "settle_seconds": 10, "memo_hours": 36}
    longest = 12 * 3600 - 970
    assert load_settings(sessions={**times, "cap_seconds": longest}).sessions.cap_seconds == longest
    with pytest.raises(ConfigurationError, match="longer than the 48 hours that packs live"):
        load_settings(sessions={**times, "cap_seconds": longest + 1})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "replaylake.toml").write_bytes(b"lake = '\xff'\n")
    with pytest.raises(ConfigurationError, match=r"^replaylake\.toml: "):
        load_settings()
