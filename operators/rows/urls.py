"""Columns cut out of an address, for SDKs that send only the whole; the rules are those of the Guance SDK."""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, urlsplit

from operators.rows.values import compact_json

_CACHED_URLS = 4096
_CACHED_LENGTH_MAX = 2048  # `data:` addresses can be megabytes
_SEGMENT_WITH_DIGIT = re.compile(r"/[^/]*\d[^/]*")
_NOTHING: Mapping[str, str] = {}


def view_url_columns(url: str) -> Mapping[str, str]:
    """`view_host`, `view_path`, `view_path_group`, `view_url_query` of an address; nothing if it has no host."""
    return _cached_view(url) if len(url) <= _CACHED_LENGTH_MAX else _view(url)


def resource_url_columns(url: str) -> Mapping[str, str]:
    """`resource_url_host` (without port), `..._path`, `..._path_group`, `..._query`; nothing if it has no host."""
    return _cached_resource(url) if len(url) <= _CACHED_LENGTH_MAX else _resource(url)


def path_group(path: str) -> str:
    """Path with each segment that has a digit as `?`, so that `/item/17` and `/item/18` count as one."""
    return _SEGMENT_WITH_DIGIT.sub("/?", path).removesuffix("/") or "/"


def _view(url: str) -> Mapping[str, str]:
    parts = _split(url)
    if parts is None:
        return _NOTHING
    # A hash that begins with a slash is the route of a single-page application.
    route = parts.fragment.partition("?")[0]
    path = f"/#{route}" if route.startswith("/") else parts.path or "/"
    return {
        "view_host": parts.netloc.rpartition("@")[2],
        "view_path": path,
        "view_path_group": path_group(path),
        "view_url_query": _query_json(parts.query),
    }


def _resource(url: str) -> Mapping[str, str]:
    parts = _split(url)
    if parts is None:
        return _NOTHING
    path = parts.path or "/"
    return {
        "resource_url_host": parts.hostname or "",
        "resource_url_path": path,
        "resource_url_path_group": path_group(path),
        "resource_url_query": _query_json(parts.query),
    }


_cached_view = lru_cache(_CACHED_URLS)(_view)
_cached_resource = lru_cache(_CACHED_URLS)(_resource)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an open bracket in the host
        return None
    return parts if parts.netloc else None


def _query_json(query: str) -> str:
    return compact_json(dict(parse_qsl(query, keep_blank_values=True))) if query else "{}"
