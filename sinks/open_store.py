"""Which store a lake URI means, and whether there is a lake."""

import re
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import MustAct
from schemas.keys import FOLDERS
from sinks.store import LocalStore, ObjectStore

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)


class NoLake(MustAct):
    """Nothing was ever written there: a wrong name, or a disk that is not mounted."""


def lake_fault(uri: str) -> str:
    """What is wrong with the URI of a lake, "" for a local path or `s3://bucket/prefix`."""
    scheme = _SCHEME.match(uri)
    if not uri.strip():
        return "is empty: name a local path or s3://bucket/prefix"
    if scheme is None:
        return ""
    if scheme[1] == "s3":
        return "" if re.match("s3://[^/]", uri) else f"{uri!r} names no bucket: write s3://bucket/prefix"
    local = "; write a local path without file:" if scheme[1].lower() == "file" else ""
    return f"{uri!r} is neither a local path nor s3://bucket/prefix{local}"


def open_store(uri: str, s3_options: Mapping[str, object] | None = None) -> ObjectStore:
    """The store of a local path or `s3://bucket/prefix`. Raises ValueError for anything else."""
    fault = lake_fault(uri)
    if fault:
        raise ValueError(f"lake: {fault}")
    if not uri.startswith("s3://"):
        return LocalStore(Path(uri))
    from sinks.s3 import S3Store  # noqa: PLC0415 - its client takes longer to load than all else together

    return S3Store(uri, s3_options)


def open_lake(uri: str, s3_options: Mapping[str, object] | None = None) -> ObjectStore:
    """The store of a lake that is there, maybe without sessions yet. Raises NoLake, and StoreError."""
    store = open_store(uri, s3_options)
    if isinstance(store, LocalStore) and not Path(uri).is_dir():
        what = "it is a file" if Path(uri).exists() else "no such folder"
        raise NoLake(f"no lake at {store.uri}: {what}; check --lake or the setting 'lake'")
    if FOLDERS.isdisjoint(store.folders("")):
        raise NoLake(f"no lake at {store.uri}: neither tables/ nor _job/ is there; check --lake or the setting 'lake'")
    return store
