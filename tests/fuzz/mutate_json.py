"""Changes to one JSON value of a body that stay JSON: a key gone or there twice, a value of a wrong kind or size."""

import json
import random

HOSTILE: list[bytes] = [
    b"null", b"true", b"-1", b"0", b"1e400", b"-1e-400", b"NaN", b"Infinity", b"9223372036854775808", b"1" * 400,
    b"1" * 5000, b"1" * 30, b"1" * 22, b"-" + b"1" * 25, b"4e18", b"2147483648", b"18446744073709551616",
    b"1795230000000.5", b"0.0001", b"-0.0", b"1e15", b"1.5", b"-9223372036854775809", b"253402300800000",
    b'""', b'"\\ud800"', b'"x\\udc00\\ud83d y"', b'"\\u0000"', b'"../../x"', b"[]", b"{}", b"[[]]", b'{"":{"":""}}',
    b"[" * 3000, b'{"a":' * 3000, b"[" * 10_000 + b"]" * 10_000, b"[" * 960 + b"]" * 960, b"[" * 985 + b"]" * 985,
    b'"' + b"x" * 10_000 + b'"', b'{"a.b":1,"a":{"b":2,"b~":3},"a.b~":4}',
    b'"\xf0\x9f\xa6\x8a"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"http://x/\xc3"', b'"http://[x/?%ff=1#/\\ud83d"',
    b'"1795230000000"', b'"9999-12-31T23:59:59-23:59"', b'"0001-01-01T00:00:00+23:59"',
]  # fmt: skip
_READ = {  # what the decoders and the replay cut look at: changes elsewhere are mostly skipped over
    "id", "type", "date", "time", "timestamp", "data", "href", "source", "records", "events", "start", "end", "view",
    "records_count", "index_in_view", "session", "app", "application", "measurement", "tags", "fields", "session_id",
    "app_id", "view_id", "duration", "time_spent", "action", "resource", "event", "uuid", "properties", "$session_id",
    "$window_id", "$snapshot_data", "$snapshot_items", "$time", "$pageview_id", "$prev_pageview_duration", "ddtags",
    "has_full_snapshot", "creation_reason", "url", "status_code", "session_replay_stats",
}  # fmt: skip
_MARK = "@@hostile@@"
_TWICE = "@@twice@@"
_PARSED_MAX = 60_000  # bytes: a snapshot of a page is parsed elsewhere, and too slow to walk here
_STOP = 0.25
_LOOK_AT = 40


def with_json(body: bytes, chance: random.Random) -> bytes | None:
    """The body with one change inside; None when it is no JSON."""
    before, text, after = _one_value(body, chance)
    if len(text) > _PARSED_MAX:
        return None
    try:
        value = json.loads(text)
        changed = json.dumps(_changed(value, chance), ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    except (ValueError, RecursionError):
        return None
    twice = changed.find(f'"{_TWICE}'.encode())
    if twice >= 0:
        changed = changed.replace(f'"{_TWICE}'.encode(), b'"')
    return before + changed.replace(f'"{_MARK}"'.encode(), chance.choice(HOSTILE)) + after


def _one_value(body: bytes, chance: random.Random) -> tuple[bytes, bytes, bytes]:
    """One line of several, or all."""
    lines = body.split(b"\n")
    if len(lines) == 1 or body[:1] not in (b"{", b"["):
        return b"", body, b""
    at = chance.randrange(len(lines))
    if chance.random() < 0.5:  # short bodies are as good, and faster
        return b"", lines[at], b""
    before, after = b"\n".join(lines[:at]), b"\n".join(lines[at + 1 :])
    return before + b"\n" * (at > 0), lines[at], b"\n" * (at < len(lines) - 1) + after


def _changed(value: object, chance: random.Random) -> object:
    inside = isinstance(value, dict | list) and bool(value)
    if not inside or chance.random() < _STOP / 4:
        return _MARK
    node = value
    while True:
        key = _key(node, chance)
        below = node[key]  # type: ignore[index]
        if not isinstance(below, dict | list) or not below or chance.random() < _STOP:
            _change(node, key, chance)
            return value
        node = below


def _key(node: object, chance: random.Random) -> object:
    if isinstance(node, dict):
        read = [name for name in node if name in _READ]
        return chance.choice(read if read and chance.random() < 0.5 else list(node))
    assert isinstance(node, list)
    return chance.randrange(min(len(node), _LOOK_AT))


def _change(node: object, key: object, chance: random.Random) -> None:
    dice = chance.random()
    if isinstance(node, dict):
        if dice < 0.15:
            del node[key]
        elif dice < 0.25:
            node[f"{_TWICE}{key}"] = _MARK
        elif dice < 0.35:
            node[chance.choice(("", f"{key}.x", str(key).upper(), "\0", "x" * 300))] = node.pop(key)
        elif dice < 0.45:
            node[key] = [node[key]] * 3
        else:
            node[key] = _MARK
    elif isinstance(node, list) and isinstance(key, int):
        if dice < 0.2:
            del node[key]
        elif dice < 0.4:
            node.insert(key, node[chance.randrange(min(len(node), _LOOK_AT))])
        elif dice < 0.5:
            del node[key + 1 :]
        else:
            node[key] = _MARK
