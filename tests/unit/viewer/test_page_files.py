"""What the page's files cost the process, whoever asks."""

import asyncio
from pathlib import Path

import pytest
from fastapi import Request

from viewer import respond
from viewer.page_files import PageFiles


def test_a_file_is_compressed_once_however_its_path_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.js").write_bytes(b"let x = 1;\n" * 1000)
    calls = []
    plain = respond.compressed

    def counted(content: bytes, wanted: respond.Encoding) -> tuple[bytes, respond.Encoding]:
        calls.append(wanted)
        return plain(content, wanted)

    monkeypatch.setattr(respond, "compressed", counted)
    files = PageFiles(tmp_path)
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"accept-encoding", b"gzip")],
        "path": "/",
        "query_string": b"",
    }
    paths = ["app/main.js", "app/./main.js", "app//main.js", "app/../app/main.js", "././app/main.js"]
    bodies = {bytes(asyncio.run(files.answer(path, Request(scope))).body) for path in paths}
    assert (len(bodies), calls) == (1, ["gzip"])
