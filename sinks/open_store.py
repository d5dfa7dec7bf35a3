"""Which store a lake URI means."""

from collections.abc import Mapping
from pathlib import Path

from sinks.s3 import S3Store
from sinks.store import LocalStore, ObjectStore


def open_store(uri: str, s3_options: Mapping[str, object] | None = None) -> ObjectStore:
    """A local path (or `file://` URI) or `s3://bucket/prefix`. Raises ValueError for anything else."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return LocalStore(Path(uri))
    if scheme == "file":
        return LocalStore(Path(rest))
    if scheme == "s3" and rest.strip("/"):
        return S3Store(uri, s3_options)
    raise ValueError(f"lake {uri!r} is neither a local path nor s3://bucket/prefix")
