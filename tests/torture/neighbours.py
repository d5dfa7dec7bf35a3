"""The broker and the store of the torture: real servers that can be stopped and started again."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Generic, TypeVar

from flows.demo.apache_kafka import start_apache_kafka
from flows.demo.servers import BROKER_BUCKET, Broker, S3Server, start_broker, start_s3

Server = TypeVar("Server")


class Neighbour(Generic[Server]):
    """A server that can be stopped and started again at the same address, with everything it had stored."""

    def __init__(self, start: Callable[[Server | None], AbstractContextManager[Server]]) -> None:
        self._start = start
        self._stack = ExitStack()
        self.server = self._stack.enter_context(start(None))

    def stop(self) -> None:
        self._stack.close()

    def start(self) -> None:
        self.server = self._stack.enter_context(self._start(self.server))


class Servers:
    """A broker and a store that can be restarted, each with a folder of its own.

    `kafka`: the folder of Apache Kafka's jars, None for Tansu. Tansu keeps its log only in a store, and slowly (an
    object a batch), so `keeps_log` says whether this time it must.
    """

    def __init__(self, folder: Path, kafka: Path | None, *, keeps_log: bool) -> None:
        self.store = Neighbour[S3Server](lambda again: start_s3(folder / "s3", ["lake", BROKER_BUCKET], again))

        def start(again: Broker | None) -> AbstractContextManager[Broker]:
            if kafka:
                return start_apache_kafka(kafka, folder / "kafka", again)
            return start_broker(self.store.server if keeps_log else None, again)

        self.broker = Neighbour[Broker](start)

    def stop(self) -> None:
        self.broker.stop()
        self.store.stop()
