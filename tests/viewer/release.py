"""A shop whose checkout a release broke, as capture files: one recorded visit, as it was and without its errors."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

HEALTHY, BROKEN = "1.4.2", "1.5.0"
_SESSION, _USER = b"230f3e7c-e9ea-4e57-bc6f-239f4fb9cdeb", (b"u-1001", b"ada@example.test", b"Ada\\ Example")
VISITS = [  # version, name of the visitor
    (HEALTHY, "Hanna"), (HEALTHY, "Henry"), (HEALTHY, "Hilda"), (BROKEN, "Bo"), (BROKEN, "Bella"),
]  # fmt: skip


def write_captures(shop: Path, folder: Path) -> list[Path]:
    """Capture files of the visits, made from the recording `gc-shop`."""
    with gzip.open(shop, "rt", encoding="utf-8") as file:
        requests = [json.loads(line) for line in file]
    found = []
    for number, (version, name) in enumerate(VISITS):
        path = folder / f"release-{number}.jsonl.gz"
        with gzip.open(path, "wt", encoding="utf-8") as file:
            for request in requests:
                body = _visit(base64.b64decode(request["body_b64"]), number, version, name)
                made = {"body_b64": base64.b64encode(body).decode(), "body_len": len(body)}
                file.write(json.dumps(request | made) + "\n")
        found.append(path)
    return found


def _visit(body: bytes, number: int, version: str, name: str) -> bytes:
    body = body.replace(_SESSION, _SESSION[:-2] + f"{number:02d}".encode())
    if b"error," in body or b"view,sdk_name" in body or b",sdk_name=" in body:  # lines, not a segment of a replay
        if version == HEALTHY:
            body = b"\n".join(_without_errors(body))
        body = body.replace(b"version=1.4.2,", f"version={version},".encode())
        for old, new in zip(_USER, (f"u-{number}", f"{name}@example.test", f"{name}\\ Example"), strict=True):
            body = body.replace(old, new.encode())
    return body


def _without_errors(body: bytes) -> Iterator[bytes]:
    is_error = False
    for line in body.split(b"\n"):
        is_error = line.startswith(b"error,") or (is_error and line.startswith(b"  at "))  # its stack
        if not is_error:
            yield line
