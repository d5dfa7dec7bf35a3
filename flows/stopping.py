"""A graceful stop: the first SIGTERM or SIGINT ends the sources, and the engine finishes and commits the epoch."""

import signal
import socket
import threading
from types import FrameType


class Stopped(Exception):
    """A stop came before there was anything to finish: no failure."""


STOP = threading.Event()  # set once; waits may be cut short by it


def stop_requested() -> bool:
    """Whether the sources should end."""
    return STOP.is_set()


def request_stop() -> None:
    """As a signal would."""
    STOP.set()


def install_stop_handlers() -> None:
    """From now on SIGTERM and SIGINT stop gracefully; a second SIGINT interrupts at once. Main thread only."""
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, _request)
    signal.signal(signal.SIGINT, _request)
    # Python runs a handler only when the main thread runs Python, and it may be inside the engine for long.
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_hear, args=(ours, theirs), name="signals", daemon=True).start()


def _request(number: int, _frame: FrameType | None) -> None:
    STOP.set()
    if number == signal.SIGINT:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _hear(ours: socket.socket, _theirs: socket.socket) -> None:
    while numbers := ours.recv(16):
        if not {signal.SIGTERM, signal.SIGINT}.isdisjoint(numbers):
            STOP.set()
