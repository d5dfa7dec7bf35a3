"""Settings: flags over environment `REPLAYLAKE_*` over `replaylake.toml` over defaults. The only reader of all three.

A nested name joins with two underscores in the environment: `REPLAYLAKE_KAFKA__BOOTSTRAP`. Unknown keys are errors.
"""

import hashlib
import os
import re
import tomllib
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from intake.masking import ENVELOPE
from intake.policy import GuardLimits, Policy, Rate
from operators.input.quarantine_share import ShareLimits
from operators.input.receive_clock import ClockRules
from operators.replay.cut import CutLimits
from operators.windows.memos import MemoLimits
from operators.windows.rules import WindowRules
from operators.wire.unusable import Limits
from schemas.errors import MustAct
from schemas.keys import SOURCE_MAPS
from schemas.lifecycle import PACK_DAYS
from schemas.promoted import Promoted, PromotedType, taken_names
from schemas.retention import RETENTION_DAYS_DEFAULT, RETENTION_DAYS_MAX, AppRetention, Retention
from schemas.units import GIB, MS_PER_HOUR, MS_PER_SECOND
from sinks.iceberg.options import CatalogOptions
from sinks.open_store import lake_fault
from sinks.writer import LakeLimits
from viewer.access import Token
from viewer.options import ServeOptions
from viewer.sso import PERSON, SignedInByProxy

HeaderName = Annotated[str, Field(pattern="^[A-Za-z0-9-]{1,100}$")]
_NETWORK_BITS_MIN = {4: 8, 6: 16}  # of trusted proxies: what is wider is everybody
_CLIENT_HEADERS = {
    "accept", "accept-language", "authorization", "connection", "content-type", "cookie", "forwarded", "from", "host",
    "origin", "referer", "user-agent", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-requested-with",
}  # fmt: skip

# A limit has one default: that of the struct which the job, the intake or the viewer is given.
_RULES, _MEMO, _LIMITS, _SHARE, _CUT, _CLOCK = (
    WindowRules(), MemoLimits(), Limits(), ShareLimits(), CutLimits(), ClockRules(),
)  # fmt: skip
_CATALOG = CatalogOptions()
_POLICY, _SERVE = Policy(_LIMITS), ServeOptions(Path())
PREFIX = "REPLAYLAKE_"
CONFIG_VARIABLE = "REPLAYLAKE_CONFIG"
CONFIG_FILE = "replaylake.toml"
_BOOTSTRAP_SERVER = re.compile(
    r"(?:(?:PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)://)?(?:\[[^\]\s]+\]|[^:/\s]+)(?::(?P<port>\d{1,6}))?"
)
_COLUMN_NAME = re.compile("[a-z][a-z0-9_]{0,63}")
_PLAIN_LIST = re.compile(r'[^\[\]{}"]+')  # words with commas between; what has brackets must be JSON

Days = Annotated[int, Field(ge=1, le=RETENTION_DAYS_MAX)]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]


class ConfigurationError(MustAct):
    """The configuration, or the call of a command, is wrong; the message is one line that names the setting."""

    exit_code = 2


def _time_ms(text: str | None) -> int:
    """Epoch ms of an RFC 3339 time; without an offset it is UTC. Raises ValueError."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        raise ValueError(f"{text!r} is neither earliest, latest nor a time such as 2026-11-28T08:00Z") from None
    return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * MS_PER_SECOND)


GUARD = GuardLimits()


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KafkaSettings(_Section):
    """Where the lines and segments come from."""

    bootstrap: str = Field("127.0.0.1:9092", description="bootstrap servers, host:port[,host:port]")
    topics: list[str] = Field(["rum"], description="topics to read, with any keys and partitions")
    start: str | None = Field(
        None,
        description="where a job without state begins: earliest (when not set), latest, or a time: 2026-11-28T08:00Z",
    )
    on_lost_offsets: str = Field(
        "stop", pattern="^(stop|earliest|latest)$", description="when unread messages are gone from the broker"
    )
    poll_messages: Positive = Field(2000, description="messages per look of a reader")
    metadata_seconds: Annotated[float, Field(gt=0)] = Field(
        30.0, description="how often to look for new partitions, and whether the topics are still the same"
    )
    stamp_ahead_seconds: NotNegative = Field(
        _CLOCK.ahead_ms // MS_PER_SECOND,
        description="a message stamped further ahead of this machine's clock counts as received now",
    )
    client: dict[str, str | int | float | bool] = Field({}, description="any librdkafka option, passed through")

    @field_validator("start")
    @classmethod
    def _check_start(cls, start: str | None) -> str | None:
        if start not in {None, "earliest", "latest"}:
            _time_ms(start)
        return start

    def start_ms(self) -> int | None:
        """The time to begin at, epoch ms; None where `start` is none."""
        return None if self.start in {None, "earliest", "latest"} else _time_ms(self.start)

    @field_validator("bootstrap")
    @classmethod
    def _check_bootstrap(cls, bootstrap: str) -> str:
        for server in bootstrap.split(","):
            found = _BOOTSTRAP_SERVER.fullmatch(server.strip())
            if found is None or not 0 < int(found["port"] or 9092) < 65_536:
                raise ValueError(f"{server.strip()!r} is not host:port")
        return bootstrap

    @field_validator("topics")
    @classmethod
    def _check_topics(cls, topics: list[str]) -> list[str]:
        if not topics:
            raise ValueError("name at least one topic")
        return topics


class S3Settings(_Section):
    """How to reach the object store; only for `s3://` lakes. Without keys the usual AWS sources are asked."""

    endpoint_url: str | None = Field(None, description="URL of an S3-compatible server")
    key: SecretStr | None = Field(None, description="access key id")
    secret: SecretStr | None = Field(None, description="secret access key")
    options: dict[str, Any] = Field({}, description="any s3fs option, passed through")

    @model_validator(mode="after")
    def _check_pair(self) -> "S3Settings":
        if (self.key is None) != (self.secret is None):
            given, missing = ("key", "secret") if self.secret is None else ("secret", "key")
            raise ValueError(f"{given} is set and {missing} is not: they belong together")
        return self

    def storage_options(self) -> dict[str, Any]:
        """Keyword arguments for `s3fs.S3FileSystem`."""
        options: dict[str, Any] = {}
        if self.key is not None and self.secret is not None:  # both or none
            options |= {"key": self.key.get_secret_value(), "secret": self.secret.get_secret_value()}
        if self.endpoint_url:
            options["endpoint_url"] = self.endpoint_url
        return options | self.options


class SessionSettings(_Section):
    """The window rules. Change them only on purpose: the numbers are what the SDKs use."""

    gap_seconds: Positive = Field(_RULES.gap_ms // MS_PER_SECOND, description="inactivity that ends a window")
    cap_seconds: Positive = Field(_RULES.cap_ms // MS_PER_SECOND, description="a window is shorter than this")
    lateness_seconds: NotNegative = Field(
        _RULES.lateness_ms // MS_PER_SECOND, description="receive time a due close waits for disorder"
    )
    end_grace_seconds: NotNegative = Field(
        _RULES.end_grace_ms // MS_PER_SECOND, description="after the SDK's end marker, instead of the gap"
    )
    settle_seconds: NotNegative = Field(
        _RULES.settle_ms // MS_PER_SECOND, description="quiet time after an arrival far behind the clock"
    )
    memo_hours: Annotated[int, Field(gt=0, le=36)] = Field(
        _MEMO.age_ms // MS_PER_HOUR,
        description="how long a closed window can still be revised; packs live for 48 hours",
    )
    memo_bytes: Positive = Field(
        _MEMO.size_bytes, description="memory for closed windows, of the whole job; oldest go first"
    )
    forgotten_sessions: Positive = Field(
        _MEMO.forgotten,
        description="sessions beyond that of which only the next part number is known, about 180 bytes each",
    )

    @model_validator(mode="after")
    def _check_times(self) -> "SessionSettings":
        if self.gap_seconds > self.cap_seconds:
            raise ValueError(f"gap_seconds ({self.gap_seconds}) is longer than cap_seconds ({self.cap_seconds})")
        seconds = self.cap_seconds + self.gap_seconds + self.lateness_seconds + self.settle_seconds
        if seconds + self.memo_hours * 3600 > PACK_DAYS * 86_400:
            raise ValueError(
                f"cap_seconds ({self.cap_seconds}), gap_seconds ({self.gap_seconds}), lateness_seconds "
                f"({self.lateness_seconds}), settle_seconds ({self.settle_seconds}) and memo_hours ({self.memo_hours}) "
                f"are together longer than the {PACK_DAYS * 24} hours that packs live"
            )
        return self

    def rules(self) -> WindowRules:
        return WindowRules(
            gap_ms=self.gap_seconds * MS_PER_SECOND,
            cap_ms=self.cap_seconds * MS_PER_SECOND,
            lateness_ms=self.lateness_seconds * MS_PER_SECOND,
            end_grace_ms=self.end_grace_seconds * MS_PER_SECOND,
            settle_ms=self.settle_seconds * MS_PER_SECOND,
        )

    def memo_limits(self, shards: int) -> MemoLimits:
        """Of one shard."""
        job = MemoLimits(self.memo_hours * MS_PER_HOUR, self.memo_bytes, self.forgotten_sessions)
        return job.of_shard(shards)


class LimitSettings(_Section):
    """What one message or session may cost. Over a limit is quarantined with a reason."""

    message_bytes: Positive = Field(_LIMITS.message_bytes, description="a message as received")
    segment_inflated_bytes: Positive = Field(_LIMITS.inflated_bytes, description="a body after decompression")
    lines_per_message: Positive = Field(_LIMITS.lines_per_message, description="rows in one message")
    id_length: Positive = Field(_LIMITS.id_length, description="characters of an app or session id")
    replay_window_bytes: Positive = Field(_CUT.window_raw_bytes, description="raw replay of one window")
    quarantine_share: Annotated[float, Field(gt=0, le=1)] = Field(
        _SHARE.share,
        description="more refused messages than this share of all stop the job, which keeps them on the broker",
    )
    quarantine_min_messages: Positive = Field(
        _SHARE.messages, description="so many refused messages before their share counts"
    )
    quarantine_window_seconds: Positive = Field(
        _SHARE.window_ms // MS_PER_SECOND, description="the time over which that share is taken"
    )
    share_styles: bool = Field(
        default=_CUT.share_styles, description="store large linked style sheets once per class and day"
    )

    def decode(self) -> Limits:
        return Limits(
            message_bytes=self.message_bytes,
            inflated_bytes=self.segment_inflated_bytes,
            lines_per_message=self.lines_per_message,
            id_length=self.id_length,
        )

    def share(self) -> ShareLimits:
        return ShareLimits(
            share=self.quarantine_share,
            messages=self.quarantine_min_messages,
            window_ms=self.quarantine_window_seconds * MS_PER_SECOND,
        )

    def lake(self) -> LakeLimits:
        cut = CutLimits(
            window_raw_bytes=self.replay_window_bytes,
            share_styles=self.share_styles,
        )
        return LakeLimits(cut=cut)


class AppSettings(_Section):
    """Exceptions for one app."""

    retention_days: Days | None = Field(None, description="days its RUM rows live")
    replay_retention_days: Days | None = Field(None, description="days its replays live; as its RUM when not set")


class RetentionSettings(_Section):
    """How long data lives; written into the key of everything."""

    days: Days = Field(RETENTION_DAYS_DEFAULT, description="days RUM rows live")
    replay_days: Days | None = Field(None, description="days replays live; as RUM when not set")
    check: str = Field(
        "warn",
        pattern="^(off|warn|refuse)$",
        description="what a job does that finds the bucket's lifecycle rules wrong",
    )


class PromotedSettings(_Section):
    """A column of the views whose name is NAME: a key of `custom`. Not of `hive` and `glue` definitions."""

    key: str = Field(min_length=1, description="key in custom, for example context.order.value")
    type: PromotedType = Field("string", description="a value that does not fit is null")


class TablesSettings(_Section):
    """What the tables have beside the columns that every lake has."""

    promote: dict[str, PromotedSettings] = Field({}, description="columns that the views make of custom, by name")

    @field_validator("promote")
    @classmethod
    def _check_promote(cls, promote: dict[str, PromotedSettings]) -> dict[str, PromotedSettings]:
        for name in promote:
            if not _COLUMN_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a column's name: small letters, digits and _, at most 64")
            if name in taken_names():
                raise ValueError(f"there is a column {name!r} already: choose another name")
        return promote

    def promoted(self) -> list[Promoted]:
        return [Promoted(name, one.key, one.type) for name, one in self.promote.items()]


class RunSettings(_Section):
    """How the job runs."""

    recovery_dir: Path = Field(Path("replaylake-recovery"), description="state of the job; a persistent volume")
    recovery_parts: Positive = Field(4, description="files the state is spread over; fixed once it exists")
    shards: NotNegative = Field(
        0,
        description="parts of state and output, one process each at most; fixed once made; 0: as partitions then",
    )
    epoch_seconds: Annotated[float, Field(gt=0)] = Field(10.0, description="time between commits")
    cache_dir: Path | None = Field(None, description="recent packs of an s3:// lake; below recovery_dir when not set")
    cache_bytes: Positive = Field(1 * GIB, description="size of that cache, per shard")
    clock_margin_seconds: NotNegative = Field(
        _CLOCK.margin_ms // MS_PER_SECOND,
        description="how far a reader that has read everything stays behind the wall clock",
    )
    watchdog_seconds: Positive = Field(
        300, description="without a sign of progress for so long the process ends itself with exit code 1"
    )
    status_seconds: NotNegative = Field(60, description="how often the job logs a line about its state; 0 is never")
    outage_hold_seconds: NotNegative = Field(
        _CLOCK.outage_hold_ms // MS_PER_SECOND,
        description="after the broker was away: how long the wall clock closes nothing, for what senders held back",
    )
    store_patience_seconds: NotNegative = Field(600, description="how long to try an unavailable store again")
    keep_user_agent: bool = Field(
        default=False, description="put the User-Agent of a request into `custom`, not only what is read from it"
    )
    addresses: list[str] = Field([], description="host:port of every process of a cluster, the same for all")
    process_id: NotNegative = Field(0, description="which of `addresses` this process is")
    engine_api_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        0, description="port of the engine's own web API (plus process_id), which binds every interface; 0 is off"
    )


class HttpSettings(_Section):
    """Metrics and health."""

    address: str = Field(
        "", pattern=r"^(\S+:\d+)?$", description="host:port of /metrics, /health/live, /health/ready; empty is off"
    )
    live_seconds: Positive = Field(900, description="without a look at the input for so long the job counts as dead")
    ready_seconds: Positive = Field(
        120, description="without a commit, or an answer for a partition, for so long the job counts as not ready"
    )

    def place(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)


class RateSettings(_Section):
    """Requests a second, and how many at once."""

    per_second: Annotated[float, Field(ge=0)] = Field(Rate().per_second, description="0 is no limit")
    burst: Annotated[float, Field(ge=0)] = Field(Rate().burst, description="twice per_second when 0")

    def rate(self) -> Rate:
        return Rate(self.per_second, self.burst)


class MaskSettings(_Section):
    """What is replaced before Kafka has it."""

    patterns: list[str] = Field([], description="regular expressions (Python) over texts of lines and replays")
    fields: list[str] = Field([], description="fields of lines, by name or dotted end of their path: `usr.email`")
    replacement: str = Field("***", description="what stands there instead")

    @field_validator("patterns")
    @classmethod
    def _check_patterns(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                found = re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r}: {error}") from error
            if found.search(""):
                raise ValueError(f"{pattern!r} matches nothing at all, everywhere")
        return patterns

    @field_validator("fields")
    @classmethod
    def _check_fields(cls, fields: list[str]) -> list[str]:
        for field in fields:
            if field.rpartition(".")[2] in ENVELOPE:
                raise ValueError(f"{field!r} holds a line together; it cannot be masked")
        return fields


class IntakeSettings(_Section):
    """The HTTP service that SDKs send to: `replaylake intake`."""

    address: str = Field("127.0.0.1:8080", pattern=r"^\S+:\d+$", description="host:port that it listens on")
    workers: Positive = Field(1, description="processes on that address; about one a core")
    topic: str | None = Field(None, description="topic to write; the first of kafka.topics when not set")
    client: dict[str, str | int | float | bool] = Field(
        {}, description="any librdkafka option of the producer, over those of kafka.client"
    )
    apps: list[str] = Field([], description="app ids that may send; all when empty")
    origins: list[str] = Field(
        list(_POLICY.origins), description="origins of sites that may send, as the browser names them; * is all"
    )
    trusted_proxies: list[str] = Field(
        [], description="addresses or networks whose X-Forwarded-For is believed; without any it is ignored"
    )
    address_rate: RateSettings = Field(RateSettings(), description="of one client address")
    app_rate: RateSettings = Field(RateSettings(), description="of one app")
    rate_keys: Positive = Field(_POLICY.rate_keys, description="addresses, and apps, whose rate is remembered")
    body_seconds: Annotated[float, Field(gt=0)] = Field(_POLICY.body_seconds, description="time for a body to come in")
    pending_bytes: Positive = Field(
        _POLICY.pending_bytes, description="bodies in memory of one process; above that 503"
    )
    connections: Positive = Field(
        GUARD.connections,
        description="of one process; above that those that owe a request for longest go, or the new one hears 503",
    )
    head_bytes: Positive = Field(
        GUARD.head_bytes, description="request line and headers; above that 431. As nginx; no SDK comes near"
    )
    head_fields: Positive = Field(GUARD.head_fields, description="headers of a request; above that 431. As Apache")
    head_seconds: Annotated[float, Field(gt=0)] = Field(
        GUARD.head_seconds, description="time for request line and headers to come in; then 408"
    )
    idle_seconds: Positive = Field(
        5,
        description="how long a connection may be idle; longer than in a proxy in front, or that meets closed ones",
    )
    answer_seconds: Annotated[float, Field(gt=0)] = Field(
        GUARD.answer_seconds, description="how long a client may leave answers unread; then its connection ends"
    )
    confirm_seconds: Annotated[float, Field(gt=0)] = Field(
        10.0, description="how long the broker may take to confirm; then 503"
    )
    retry_seconds: Annotated[float, Field(gt=0)] = Field(_POLICY.retry_seconds, description="Retry-After of a 503")
    stop_seconds: Positive = Field(20, description="on SIGTERM: time to finish what was begun")
    mask: MaskSettings = MaskSettings()
    client_address: bool = Field(default=False, description="put the client's address into the column `ip`")
    geo_databases: list[Path] = Field(
        [], description="MaxMind databases (City, Country, ISP, ASN) for country, province, city and isp"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: list[str]) -> list[str]:
        for proxy in proxies:
            ip_network(proxy, strict=False)
        return proxies

    def place(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)

    def guard(self, connections: int) -> GuardLimits:
        """`connections`: those that there are open files for."""
        return GuardLimits(
            connections=connections,
            head_bytes=self.head_bytes,
            head_fields=self.head_fields,
            head_seconds=self.head_seconds,
            body_seconds=self.body_seconds,
            answer_seconds=self.answer_seconds,
        )

    def policy(self, limits: Limits) -> Policy:
        return Policy(
            limits=limits,
            apps=frozenset(self.apps),
            origins=tuple(self.origins),
            app_rate=self.app_rate.rate(),
            address_rate=self.address_rate.rate(),
            rate_keys=self.rate_keys,
            body_seconds=self.body_seconds,
            pending_bytes=self.pending_bytes,
            retry_seconds=self.retry_seconds,
        )


class TokenSettings(_Section):
    """A bearer token of `serve`: itself, or better its SHA-256; and what it may read."""

    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="SHA-256 of the token, hexadecimal")
    token: SecretStr | None = Field(None, min_length=24, description="the token itself, where only its owner reads")
    apps: list[str] = Field(description="app ids it may read; `*` is all")

    @model_validator(mode="after")
    def _check_one(self) -> "TokenSettings":
        if (self.sha256 is None) == (self.token is None):
            raise ValueError("needs either sha256 or token")
        return self

    def known(self) -> Token:
        secret = self.token.get_secret_value() if self.token else ""
        return Token(self.sha256 or hashlib.sha256(secret.encode()).hexdigest(), frozenset(self.apps))


class ProxySettings(_Section):
    """A proxy in front of `serve` that signs people in (SSO): its headers name the person, and the groups."""

    trusted: list[str] = Field(description="addresses or networks of the proxy; headers from elsewhere are ignored")
    user_header: HeaderName = Field("X-Forwarded-User", description="header with the person, set by the proxy alone")
    groups_header: HeaderName | None = Field(None, description="header with the groups, commas between")
    groups: dict[str, list[str]] = Field({}, description="app ids by group; `*` is all")
    everyone: list[str] = Field([], description="app ids for all whom the proxy lets in; `*` is all")

    @field_validator("trusted")
    @classmethod
    def _check_trusted(cls, trusted: list[str]) -> list[str]:
        if not trusted:
            raise ValueError("names no proxy: without one nobody could be believed")
        for text in trusted:
            network = ip_network(text, strict=False)
            if network.prefixlen < _NETWORK_BITS_MIN[network.version]:
                raise ValueError(f"{text} is open to anyone: name the addresses of the proxy")
        return trusted

    @field_validator("user_header", "groups_header")
    @classmethod
    def _check_header(cls, header: str | None) -> str | None:
        if header is not None and (header.lower() in _CLIENT_HEADERS or header.lower().startswith("sec-")):
            raise ValueError(f"{header} is set by browsers themselves: anyone could be anybody")
        return header

    @model_validator(mode="after")
    def _check_apps(self) -> "ProxySettings":
        if not self.groups and not self.everyone:
            raise ValueError("nobody could read anything: set groups or everyone")
        if self.groups and self.groups_header is None:
            raise ValueError("groups are set and groups_header is not")
        if self.groups_header is not None and self.groups_header.lower() == self.user_header.lower():
            raise ValueError("user_header and groups_header are the same")
        return self

    def known(self) -> SignedInByProxy:
        return SignedInByProxy(
            trusted=tuple(ip_network(text, strict=False) for text in self.trusted),
            user_header=self.user_header,
            groups_header=self.groups_header or "",
            groups={group: frozenset(apps) for group, apps in self.groups.items()},
            everyone=frozenset(self.everyone),
        )

    @property
    def is_on_this_machine(self) -> bool:
        """It may ask from a loopback address, as a browser of this machine does."""
        loopback = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
        own = [ip_network(text, strict=False) for text in self.trusted]
        return any(one.version == other.version and one.overlaps(other) for one in own for other in loopback)


class ServeSettings(_Section):
    """The API and the page of `replaylake serve`."""

    host: str = Field("127.0.0.1", description="address to listen on; beyond loopback only with tokens or a proxy")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8080, description="port to listen on; 0 is any free one")
    tokens: dict[str, TokenSettings] = Field({}, description="who may read what, by a name for the audit log")
    proxy: ProxySettings | None = Field(None, description="a proxy in front that signs people in")
    link_key: SecretStr | None = Field(
        None, min_length=32, description="signs links and sign-ins; when not set, both end with the process"
    )
    sign_in_seconds: Positive = Field(_SERVE.sign_in_seconds, description="how long a browser stays signed in")
    link_seconds_max: Positive = Field(_SERVE.link_seconds_max, description="the longest that a link holds")
    public_url: str = Field(
        _SERVE.public_url, pattern="^(https?://[^?#]+[^/?#])?$", description="how links name this server"
    )
    audit_file: Path | None = Field(None, description="JSON lines of who watched what; standard output when not set")
    allow_recorded_origins: list[Annotated[str, Field(pattern=r"^https?://[a-zA-Z0-9.*-]+(:\d+)?$")]] = Field(
        [], description="origins whose images, styles and fonts a recording may load; none is safest"
    )
    app_names: dict[str, Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        {}, description="what the page calls an app, by its id"
    )
    refresh_seconds: Annotated[float, Field(gt=0)] = Field(
        _SERVE.refresh_seconds, description="how often to look for new sessions"
    )
    index_dir: Path | None = Field(
        None,
        description="where the index of sessions stays, a folder for each replica; made anew at a start when not set",
    )
    scratch_dir: Path | None = Field(None, description="where it lies while the server runs, without index_dir")
    memory_bytes: Positive = Field(_SERVE.index.memory_bytes, description="memory for the index and questions to it")
    questions_at_once: Positive = Field(_SERVE.questions.at_once, description="to the index; others wait")
    wait_seconds: Annotated[float, Field(gt=0)] = Field(
        _SERVE.questions.wait_seconds, description="for a turn to ask; then 503"
    )
    question_seconds: Annotated[float, Field(gt=0)] = Field(
        _SERVE.questions.answer_seconds, description="that a question may take; then 503"
    )
    read_cache_bytes: Positive = Field(
        _SERVE.reads.cache_bytes, description="memory for blocks of table files, which all who open sessions share"
    )
    read_memory_bytes: Positive = Field(_SERVE.reads.memory_bytes, description="memory for reading rows of sessions")
    scan_memory_bytes: Positive = Field(
        _SERVE.reads.scan_memory_bytes, description="memory for questions about the lines of all sessions"
    )
    scan_bytes_max: Positive = Field(
        _SERVE.reads.scan_bytes, description="of table files for one of these, cached ones included; above that 503"
    )
    reads_at_once: Positive = Field(_SERVE.reads.at_once, description="table files that are read side by side")
    read_bytes_max: Positive = Field(
        _SERVE.reads.question_bytes, description="of table files for one question; above that 503"
    )
    read_seconds_max: Annotated[float, Field(gt=0)] = Field(
        _SERVE.reads.question_seconds, description="time to read the rows of a session; then 503"
    )
    requests_at_once: Positive = Field(
        _SERVE.requests_at_once, description="more wait their turn; 429 when too many wait, or one for too long"
    )
    connections: Positive = Field(
        1024, description="above that those that owe a request for longest go, or the new one hears 503"
    )
    head_seconds: Annotated[float, Field(gt=0)] = Field(
        GUARD.head_seconds, description="time for request line and headers to come in; then 408"
    )
    answer_seconds: Annotated[float, Field(gt=0)] = Field(
        60.0, description="how long a client may read nothing of an answer; then its connection ends"
    )

    @field_validator("tokens")
    @classmethod
    def _check_names(cls, tokens: dict[str, TokenSettings]) -> dict[str, TokenSettings]:
        for name in tokens:
            if name.startswith(PERSON):
                raise ValueError(f"{name!r}: names that begin with {PERSON!r} are those of people")
        return tokens

    @property
    def asks_who(self) -> bool:
        """Nobody reads without being known."""
        return bool(self.tokens) or self.proxy is not None


class SourceMapSettings(_Section):
    """Source maps of the pages' scripts: `replaylake sourcemaps`, and the stacks that `serve` shows."""

    uri: str = Field("", description="where they are, a local path or s3://bucket/prefix; when not set in the lake")

    @field_validator("uri")
    @classmethod
    def _check_uri(cls, uri: str) -> str:
        fault = lake_fault(uri) if uri else ""
        if fault:
            raise ValueError(fault)
        return uri


class IcebergSettings(_Section):
    """The Iceberg tables of the lake: `replaylake iceberg`."""

    catalog: dict[str, str] = Field(
        {}, description="properties of a PyIceberg catalog: type, uri, ...; when not set SQLite in a local lake"
    )
    name: str = Field(_CATALOG.name, min_length=1, description="name of the catalog, which some keep tables under")
    namespace: str = Field(_CATALOG.namespace, min_length=1, description="namespace of the tables")
    grace_seconds: NotNegative = Field(
        _CATALOG.grace_seconds,
        description="how long a query may take; what was replaced stays in the bucket for so long",
    )

    def options(self, s3: S3Settings) -> CatalogOptions:
        """PyIceberg reaches the store as the lake does, unless the catalog's properties say otherwise."""
        file_io = {
            "s3.endpoint": s3.endpoint_url,
            "s3.access-key-id": s3.key.get_secret_value() if s3.key else None,
            "s3.secret-access-key": s3.secret.get_secret_value() if s3.secret else None,
            "s3.region": "us-east-1" if s3.endpoint_url else None,
        }
        return CatalogOptions(
            name=self.name,
            namespace=self.namespace,
            properties=self.catalog,
            file_io={name: value for name, value in file_io.items() if value},
            grace_seconds=self.grace_seconds,
        )


class LogSettings(_Section):
    """What goes to standard error. Never content of sessions."""

    format: str = Field("text", pattern="^(text|json)$", description="lines for people, or JSON objects for machines")
    level: str = Field("info", pattern="^(debug|info|warning|error)$", description="the least severe that is shown")


class _Environment(EnvSettingsSource):
    """The environment's variables: a list is JSON, or words with commas between."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 - as inherited
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            if get_origin(field.annotation) is list and _PLAIN_LIST.fullmatch(value):
                return [word.strip() for word in value.split(",")]
            example = '["a", "b"]' if get_origin(field.annotation) is list else '{"name": "value"}'
            raise ConfigurationError(f"{self._variable(field_name, value)}: is not JSON like {example}") from None

    def _variable(self, field_name: str, value: str) -> str:
        ending = field_name.lower()
        names = (name for name, text in self.env_vars.items() if text == value and name.lower().endswith(ending))
        return next(names, f"{PREFIX}{field_name}").upper()


class Settings(BaseSettings):
    """Everything `replaylake config` prints."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", validate_default=True
    )

    lake: str = Field("lake", description="local path or s3://bucket/prefix")
    kafka: KafkaSettings = KafkaSettings()
    s3: S3Settings = S3Settings()
    sessions: SessionSettings = SessionSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    tables: TablesSettings = TablesSettings()
    apps: dict[str, AppSettings] = Field({}, description="exceptions by app id")
    run: RunSettings = RunSettings()
    http: HttpSettings = HttpSettings()
    intake: IntakeSettings = IntakeSettings()
    serve: ServeSettings = ServeSettings()
    iceberg: IcebergSettings = IcebergSettings()
    source_maps: SourceMapSettings = SourceMapSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _check_process(self) -> "Settings":
        if self.run.process_id >= max(1, len(self.run.addresses)):
            raise ValueError(
                f"run.process_id {self.run.process_id} is beyond run.addresses ({len(self.run.addresses)})"
            )
        return self

    @field_validator("lake")
    @classmethod
    def _check_lake(cls, lake: str) -> str:
        fault = lake_fault(lake)
        if fault:
            raise ValueError(fault)
        return lake

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours says more
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not used: no hidden files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not used: no hidden files
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, _Environment(settings_cls)]
        path = config_path()
        if path is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, path))
        return tuple(sources)

    def source_maps_uri(self) -> str:
        """Where the source maps are."""
        return self.source_maps.uri or f"{self.lake.rstrip('/')}/{SOURCE_MAPS.rstrip('/')}"

    def retention_rules(self) -> Retention:
        default = AppRetention(self.retention.days, self.retention.replay_days)
        apps = {
            app_id: AppRetention(
                app.retention_days or default.rum_days,
                app.replay_retention_days
                or (None if app.retention_days else default.replay_days),
            )
            for app_id, app in self.apps.items()
        }  # fmt: skip
        return Retention(default, apps)

    def cache_dir(self) -> Path | None:
        """Where packs are cached; None when the lake itself is local."""
        if not self.lake.startswith("s3://"):
            return None
        return self.run.cache_dir or self.run.recovery_dir / "packs"


def config_path() -> Path | None:
    """The configuration file in force: $REPLAYLAKE_CONFIG, else replaylake.toml in the working directory if there."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    default = Path(CONFIG_FILE)
    return default if default.exists() else None


def load_settings(**flags: object) -> Settings:
    """The effective settings. `flags` win over everything. Raises ConfigurationError."""
    _check_environment()
    path = config_path()
    if path is not None and not path.is_file():
        raise ConfigurationError(f"{CONFIG_VARIABLE} names {str(path)!r}, which is no file")
    try:
        return Settings(**flags)  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        what = "unknown setting" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{name}: {what}" if name else what) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _check_environment() -> None:
    """Refuse misspelt variables: a setting that silently does nothing is the worst kind."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    own_tools = {"REPLAYLAKE_RECORDINGS", "REPLAYLAKE_WEED_BIN", "REPLAYLAKE_TANSU_BIN", "REPLAYLAKE_KAFKA_LIBS"}
    for variable in sorted(os.environ):
        if not variable.startswith(PREFIX) or variable in own_tools:
            continue
        if variable.split("__")[0] not in known:
            raise ConfigurationError(f"{variable}: unknown setting in the environment")
