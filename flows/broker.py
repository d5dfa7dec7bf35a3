"""The look at the broker before the job reads: is it there, does it let us in, has it the topics.

librdkafka tries again for ever and says why only in its log and its error callback; here that becomes one line that
names the setting. Its log goes through logging, see `client_log`.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from flows.logs import BrokerLines
from flows.settings import ConfigurationError
from flows.stopping import Stopped, stop_requested
from schemas.errors import MustAct

_LOOK_SECONDS = 15.0
_REFUSED_SECONDS = 3.0  # a broker has refused us: time for another of the bootstrap servers to do better
_SETUP_SECONDS = 6  # connecting, TLS and SASL together; librdkafka's 30 s are longer than the look
_DESCRIBE_SECONDS = 4.0  # a broker that is there and does not answer this request is asked another way
_NEW_TOPIC_SECONDS = 3.0  # Apache Kafka answers that a topic was made before each broker knows of it
_SLICE_SECONDS = 0.2  # how soon a stop is heard
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"  # the zero UUID, as Kafka writes it

_REFUSING = {KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED}
_SOON = {KafkaError.LEADER_NOT_AVAILABLE, KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT}
_NO_REASON = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._PARTIAL}
_UNKNOWN_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}
_UNKNOWN_REQUEST = {KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION}

# What librdkafka writes around the reason: who says it, in which state it was, how often it said so before.
_LOG_HEAD = re.compile(r"^(?:[A-Z_]+ )?(?:\[[^\]]*\]:? )*")
_WHERE = re.compile(r"^(?:\w+://)?(?P<place>\S+?)/(?:bootstrap|\d+): ")
_STATE = re.compile(r" \(after \d+ms in state [A-Z_]+(?:, \d+ identical error\(s\) suppressed)?\)")
_NAMED_OPTION = re.compile(r"\b[a-z]+(?:\.[a-z0-9]+)+\b")

Client = TypeVar("Client")


class SourceError(MustAct):
    """The job cannot go on reading; the message says what a person must decide."""


class TopicFacts(msgspec.Struct, frozen=True):
    """A topic as the broker has it now. `topic_id`: Kafka's own, new when a topic is made again; None without one."""

    name: str
    topic_id: str | None
    partitions: tuple[int, ...]


def look_up_topics(client: Mapping[str, Any], topics: Sequence[str]) -> dict[str, TopicFacts]:
    """What the broker knows of these topics. `client`: librdkafka's options. Blocks for up to 15 s.

    Raises ConfigurationError for options that cannot be, SourceError for what the broker or the way to it refuses,
    Stopped when the process is told to stop meanwhile.
    """
    look = _Look(client)
    return {name: look.topic(name) for name in topics}


def client_log() -> logging.Logger:
    """Where every client of librdkafka writes (its `logger`): a text that repeats is said once a minute."""
    log = logging.getLogger("replaylake.kafka")
    if not any(isinstance(one, BrokerLines) for one in log.filters):
        log.addFilter(BrokerLines(time.monotonic))
    return log


def made(make: Callable[[], Client], options: Mapping[str, Any], setting: str = "kafka.client") -> Client:
    """A client of librdkafka. Raises ConfigurationError that names the option under `setting`."""
    try:
        return make()
    except KafkaException as error:
        raise ConfigurationError(f"{setting}: {_bad_option(_kafka_error(error).str(), options)}") from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{setting}: {error}") from error


class _Look:
    """One client that asks for topics, and listens for why there is no answer."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = client
        self._servers = str(client.get("bootstrap.servers", ""))
        self._reason = ""
        self._deadline = time.monotonic() + _LOOK_SECONDS
        options = {
            "socket.connection.setup.timeout.ms": _SETUP_SECONDS * 1000,
            **client,
            "error_cb": self._hear_error,
        }
        self._admin: AdminClient = made(lambda: AdminClient(options, logger=_Listener(self._hear_line)), client)

    def topic(self, name: str) -> TopicFacts:
        ask = self._described
        known_by = time.monotonic() + _NEW_TOPIC_SECONDS
        while True:
            found = ask(name)
            if isinstance(found, TopicFacts):
                return found
            code = found.code()
            if code in _UNKNOWN_REQUEST:
                ask = self._listed
            elif code not in _SOON and (code not in _UNKNOWN_TOPIC or time.monotonic() > known_by):
                raise SourceError(self._refusal(name, found))
            self._wait()

    def _described(self, name: str) -> TopicFacts | KafkaError:
        asked = self._admin.describe_topics(
            TopicCollection([name]), include_authorized_operations=True, request_timeout=_LOOK_SECONDS
        )[name]
        patience = time.monotonic() + _DESCRIBE_SECONDS
        while not asked.done():
            if time.monotonic() > patience and not self._reason:
                return KafkaError(KafkaError._UNSUPPORTED_FEATURE)  # it answers, but has nobody to ask for this
            self._wait()
        try:
            found = asked.result()
        except KafkaException as error:
            return _kafka_error(error)
        allowed = [one.name for one in found.authorized_operations or ()]
        if allowed and "READ" not in allowed:
            raise SourceError(self._forbidden(name))
        topic_id = str(found.topic_id)
        partitions = tuple(sorted(one.id for one in found.partitions))
        return TopicFacts(name, None if topic_id in {"None", _NO_ID} else topic_id, partitions)

    def _listed(self, name: str) -> TopicFacts | KafkaError:
        """From a broker that does not know the other request: without an id."""
        try:
            found = self._admin.list_topics(timeout=_SLICE_SECONDS).topics.get(name)
        except KafkaException as error:
            return _kafka_error(error)
        if found is None or not found.partitions:
            return KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return TopicFacts(name, None, tuple(sorted(found.partitions)))

    def _wait(self) -> None:
        if stop_requested():
            raise Stopped("stopped before the broker answered")
        if time.monotonic() > self._deadline:
            raise SourceError(self._silence())
        self._admin.poll(_SLICE_SECONDS)  # calls `_hear_error` and `_hear_line`

    def _hear_error(self, error: KafkaError) -> None:
        if error.code() in _NO_REASON:
            return
        self._reason = error.str()
        if error.code() in _REFUSING:
            self._deadline = min(self._deadline, time.monotonic() + _REFUSED_SECONDS)

    def _hear_line(self, level: int, line: str) -> None:
        if line.startswith("FAIL") or "parse error" in line:
            self._reason = line
        if not line.startswith("CONFWARN"):  # an option of consumers is no fault
            client_log().log(level, "%s", line)

    def _refusal(self, name: str, error: KafkaError) -> str:
        code = error.code()
        if code in _UNKNOWN_TOPIC:
            return self._missing(name)
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return self._forbidden(name)
        if code == KafkaError.TOPIC_EXCEPTION:
            return f"kafka.topics: {name!r} cannot be the name of a topic"
        return f"kafka.topics: {self._servers} says of topic {name!r}: {error.str()}"

    def _missing(self, name: str) -> str:
        return f"kafka.topics: no topic {name!r} on {self._servers}"

    def _forbidden(self, name: str) -> str:
        user = self._client.get("sasl.username")
        who = f"user {user!r}" if user else "this client"
        return f"kafka.topics: {who} may not read topic {name!r}: the broker's ACLs must allow Read and Describe"

    def _silence(self) -> str:
        """The one line about no answer at all: the setting to look at, the place, librdkafka's last reason."""
        reason = _LOG_HEAD.sub("", self._reason)
        where = _WHERE.match(reason)
        place = where["place"] if where else self._servers
        cause = _STATE.sub("", _WHERE.sub("", reason)).strip() or f"no answer in {_LOOK_SECONDS:.0f} s"
        protocol = str(self._client.get("security.protocol", "plaintext")).lower()
        if "SASL" in cause or "Authentication" in cause or "OAUTHBEARER" in cause:
            return f"kafka.client: {place} refuses the credentials ({_sasl_options(self._client)}): {cause}"
        if "PLAINTEXT broker listener" in cause or "timed out in state SSL_HANDSHAKE" in cause:
            return f"kafka.client: {place} does not speak TLS, but security.protocol is {protocol!r}: {cause}"
        if "certificate" in cause:
            return f"kafka.client: the certificate of {place} is not trusted, see ssl.ca.location: {cause}"
        if "ssl" in protocol and "SSL" in cause:
            return f"kafka.client: no TLS connection to {place}: {cause}"
        if "ssl" not in protocol and ("security.protocol" in cause or "in state APIVERSION_QUERY" in reason):
            return f"kafka.client: {place} hangs up; it may want TLS, security.protocol is {protocol!r}: {cause}"
        return f"kafka.bootstrap: no answer from {place}: {cause}"


class _Listener:
    """What the client takes for a logger: it hears every level, whatever is shown."""

    def __init__(self, hear: Callable[[int, str], None]) -> None:
        self._hear = hear

    def log(self, level: int, text: str, *values: object) -> None:
        self._hear(level, text % values)


def _kafka_error(error: KafkaException) -> KafkaError:
    found: KafkaError = error.args[0]
    return found


def _bad_option(text: str, options: Mapping[str, Any]) -> str:
    """librdkafka's words, or better ones where a file that an option names cannot be read."""
    for name in _NAMED_OPTION.findall(text):
        value = options.get(name)
        if name.endswith(".location") and isinstance(value, str) and not Path(value).exists():
            return f"{name}: no such file: {value}"
    return text.removeprefix("Failed to create admin client: ").removeprefix("Failed to create producer: ")


def _sasl_options(client: Mapping[str, Any]) -> str:
    mechanism = client.get("sasl.mechanism", client.get("sasl.mechanisms", "GSSAPI"))
    user = client.get("sasl.username")
    return f"sasl.mechanism {mechanism}" + (f", sasl.username {user!r}" if user else "")
