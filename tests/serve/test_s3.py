"""The same answers over a lake on a real S3 server."""

import uuid
from pathlib import Path

from flows.demo.servers import S3Server
from sinks.open_store import open_store
from tests.serve.server import API, Served, serving, session_path


def test_a_lake_on_s3_answers_as_one_on_disk(
    served: Served, lake: Path, s3: S3Server, tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    uri = f"s3://lake/{uuid.uuid4().hex}"
    files = [path for path in lake.rglob("*") if path.is_file()]
    open_store(uri, s3.storage_options()).put({path.relative_to(lake).as_posix(): path.read_bytes() for path in files})
    secrets = f'endpoint_url = "{s3.endpoint_url}"\nkey = "{s3.access_key}"\nsecret = "{s3.secret_key}"'
    with serving(uri, tmp_path, s3=secrets) as server:
        for path in ("/sessions?limit=500", "/facets?columns=browser,country", "/histogram", "/apps"):
            assert server.ask(API + path).json() == served.ask(API + path).json(), path
        for row in rows[:3]:
            for route in ("", "/timeline", "/replay", "/replay/events", "/replay/blobs", "/replay/blobs/0"):
                assert server.ask(session_path(row, route)).body == served.ask(session_path(row, route)).body, route
        part = server.ask(session_path(rows[0], "/replay/blobs/0"), Range="bytes=3-12")
        assert (part.status, len(part.body)) == (206, 10)
