"""Connections that owe a request: they end, and turn nobody away meanwhile."""

import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from tests.serve.server import serving

SETTINGS = "connections = 20\nhead_seconds = 1"
HEAD = b"GET /api/v1/apps HTTP/1.1\r\nhost: "


def test_half_open_heads_end_and_turn_nobody_away(lake: Path, tmp_path: Path) -> None:
    with serving(str(lake), tmp_path, SETTINGS) as server, ExitStack() as opened:
        place = urlsplit(server.url)
        silent = []
        for number in range(30):
            one = opened.enter_context(socket.create_connection((place.hostname or "", place.port or 0), timeout=120))
            one.sendall(HEAD[: number % len(HEAD)])
            silent.append(one)
        assert server.ask("/").status == 200
        heard = [one.recv(1000)[9:12] for one in silent]
        assert set(heard) == {b"503", b"408"}
        assert server.ask("/").status == 200
