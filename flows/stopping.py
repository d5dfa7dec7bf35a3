"""A graceful stop: the first SIGTERM or SIGINT ends the sources, and the engine finishes and commits the epoch."""

import signal
import threading
from types import FrameType

_stop = threading.Event()


def stop_requested() -> bool:
    """Whether the sources should end."""
    return _stop.is_set()


def install_stop_handlers() -> None:
    """From now on SIGTERM and SIGINT stop gracefully; a second SIGINT interrupts at once. Main thread only."""
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, _request)
    signal.signal(signal.SIGINT, _request)


def _request(number: int, _frame: FrameType | None) -> None:
    _stop.set()
    if number == signal.SIGINT:
        signal.signal(signal.SIGINT, signal.default_int_handler)
