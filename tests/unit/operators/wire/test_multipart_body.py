"""A form in one split, or by the leaf: the fields that the library finds, or a form for the library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.native import LEAF
from operators.wire import multipart_body
from operators.wire.multipart_body import multipart_fields
from operators.wire.unusable import Unusable

BOUNDARY = "----WebKitFormBoundaryAb3"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
NAMES = st.sampled_from(["segment", "app_id", "index_in_view", "a.b-c", "with space", 'quo"te', "größe"])
HEADS = st.sampled_from(["", '; filename="blob"', '; filename="C:\\x"', "; filename=blob"])
TYPES = st.sampled_from(["", "\r\nContent-Type: application/octet-stream", "\r\ncontent-type: text/plain; charset=x"])
BYTES = st.binary(max_size=40) | st.sampled_from(
    [b"\r\n", b"\r\n--", b"--" + BOUNDARY.encode(), b"x\x9c", b"1\r\n\r\n2"]
)
PARTS = st.lists(st.tuples(NAMES, HEADS, TYPES, BYTES), max_size=5)


def form(parts: list[tuple[str, str, str, bytes]], end: bytes = b"--\r\n") -> bytes:
    found = b""
    for name, more, kind, content in parts:
        found += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}{kind}\r\n\r\n'.encode()
        found += content + b"\r\n"
    return found + f"--{BOUNDARY}".encode() + end


def read(body: bytes, *absent: str) -> dict[str, bytes] | str:
    """By the leaf where there is one; `absent`: ways that are not there."""
    with pytest.MonkeyPatch.context() as patch:
        if "leaf" in absent:
            patch.setattr(multipart_body, "LEAF", None)
        if "split" in absent:
            patch.setattr(multipart_body, "_usual_fields", lambda _body, _boundary: None)
        try:
            return multipart_fields(body, TYPE)
        except Unusable as error:
            return error.reason


def is_read_alike(body: bytes) -> bool:
    return read(body) == read(body, "leaf") == read(body, "leaf", "split")


def test_a_browser_s_form_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart_body, "_parts", None)
    body = form(
        [
            ("segment", '; filename="a-1"', "\r\nContent-Type: application/octet-stream", b"x\x9c\r\n"),
            ("n", "", "", b""),
        ]
    )
    assert read(body) == read(body, "leaf") == {"segment": b"x\x9c\r\n", "n": b""}


@pytest.mark.skipif(LEAF is None, reason="no compiled leaf in this environment")
def test_a_form_has_64_parts_at_most_and_names_of_100_characters() -> None:
    assert LEAF is not None
    for count, length in ((64, 100), (65, 1), (1, 101), (1, 0)):
        parts = [(f"{number}".zfill(length)[:length], "", "", b"1") for number in range(count)]
        found = LEAF.module.form_fields(form(parts), BOUNDARY.encode(), 64)
        assert (found is not None) == (count <= 64 and 1 <= length <= 100)


@given(PARTS, st.sampled_from([b"--\r\n", b"--", b"", b"--\r\nmore", b"\r\n"]), st.sampled_from([b"", b"\r\n", b"x"]))
def test_any_form_is_read_as_the_library_reads_it(
    parts: list[tuple[str, str, str, bytes]], end: bytes, before: bytes
) -> None:
    body = before + form(parts, end)
    assert is_read_alike(body)


@given(PARTS.filter(len), st.data())
def test_so_is_a_damaged_one(parts: list[tuple[str, str, str, bytes]], data: st.DataObject) -> None:
    body = bytearray(form(parts))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        if data.draw(st.booleans()):
            del body[place]
        else:
            body[place] = data.draw(st.integers(0, 255))
    assert is_read_alike(bytes(body))
