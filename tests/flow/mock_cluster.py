"""Three brokers inside librdkafka: a mock, because a leader change needs more brokers than this machine should run.

It keeps 5 MiB a partition and knows no topic creation by clients, but moves leaders on demand.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution

_PRODUCER = 0
_ERROR_LENGTH = 512


class MockCluster:
    """A running cluster of three brokers. `bootstrap` is what clients put into `bootstrap.servers`."""

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        self._library = library
        self._handle = handle
        library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        self.bootstrap: str = library.rd_kafka_mock_cluster_bootstraps(ctypes.c_void_p(handle)).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        self._check(self._library.rd_kafka_mock_topic_create(self._pointer(), name.encode(), partitions, 3))

    def move_leader(self, topic: str, partition: int, broker: int) -> None:
        """`broker`: 1 to 3."""
        move = self._library.rd_kafka_mock_partition_set_leader
        self._check(move(self._pointer(), topic.encode(), ctypes.c_int32(partition), ctypes.c_int32(broker)))

    def set_down(self, broker: int) -> None:
        """The broker answers nobody any more; what it leads stays with it."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._pointer(), ctypes.c_int32(broker)))

    def set_up(self, broker: int) -> None:
        """It is there again."""
        self._check(self._library.rd_kafka_mock_broker_set_up(self._pointer(), ctypes.c_int32(broker)))

    def _pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._handle)

    @staticmethod
    def _check(code: int) -> None:
        assert code == 0, f"librdkafka error {code}"


@contextmanager
def start_mock_cluster() -> Iterator[MockCluster]:
    """Three brokers on free ports of 127.0.0.1, in threads of this process."""
    library = _library()
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    error = ctypes.create_string_buffer(_ERROR_LENGTH)
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    client = library.rd_kafka_new(_PRODUCER, configuration, error, ctypes.c_size_t(_ERROR_LENGTH))
    assert client, error.value
    handle = library.rd_kafka_mock_cluster_new(ctypes.c_void_p(client), 3)
    try:
        yield MockCluster(library, handle)
    finally:
        library.rd_kafka_mock_cluster_destroy(ctypes.c_void_p(handle))
        library.rd_kafka_destroy(ctypes.c_void_p(client))


def _library() -> ctypes.CDLL:
    """The librdkafka that comes with confluent-kafka; it exports its mock cluster."""
    files = distribution("confluent-kafka").files or []
    [path] = [file for file in files if file.name.startswith("librdkafka") and ".so" in file.name]
    return ctypes.CDLL(str(path.locate()))
