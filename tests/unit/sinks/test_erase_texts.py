"""A person's address is found in whatever it was wrapped, and what cannot be looked into is said to be so."""

import base64
import gzip
import hashlib
import html
import json
import os
import random
import time
import zlib
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.erasure import Subject
from sinks.erase_texts import Speaks, Verdict

JANE = "Jane.Doe+shop@x.example"
SESSION = "0f3c1a52-1111-4222-8333-944444444444"
TEXT = f'{{"usr":{{"email":"{JANE}","id":"7"}},"date":1}}'.encode()
Wrap = Callable[[bytes], bytes]

OF_TEXT = {
    "upper case",
    "html",
    "html names",
    "quoted printable",
    "utf-16",
    "utf-16 be",
    "octal",
    "escape() of javascript",
}  # of bytes they mean nothing
FOUND, NOTHING = Verdict(is_of_subject=True), Verdict(is_of_subject=False)


def speaks(**subject: str) -> Speaks:
    return Speaks(Subject(**subject), [])


def of_jane(raw: bytes) -> Verdict:
    return speaks(user_email=JANE.lower()).look(raw)


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def in_json_string(body: bytes) -> bytes:
    return json.dumps({"a": body.decode("latin-1")}).encode()


def every_letter_escaped(body: bytes) -> bytes:
    return "".join(f"\\u{ord(letter):04x}" for letter in body.decode("latin-1")).encode()


WRAPS: dict[str, Wrap] = {
    "plain": bytes,
    "upper case": bytes.upper,
    "percent": lambda body: quote(body).encode(),
    "form": lambda body: b"data=" + quote_plus(body).encode(),
    "base64 form": lambda body: b"data=" + quote_plus(base64.b64encode(body)).encode(),
    "base64 of addresses": lambda body: b'{"a":"' + base64.urlsafe_b64encode(body).rstrip(b"=") + b'"}',
    "base64 behind a path": lambda body: b"https://x.example/p/" + base64.b64encode(body) + b"/x",
    "base64 in lines": lambda body: base64.encodebytes(b"n" * 30 + body + b"n" * 90),
    "hexadecimal": lambda body: b"x=0" + body.hex().encode(),
    "octal": lambda body: body.replace(b"@", b"\\100"),
    "escape() of javascript": lambda body: body.replace(b"@", b"%u0040").replace(b".", b"%u002E"),
    "json string": in_json_string,
    "json escapes": every_letter_escaped,
    "html": lambda body: "".join(f"&#{ord(letter)};" for letter in body.decode("latin-1")).encode(),
    "html names": lambda body: html.escape(body.decode("latin-1")).replace("@", "&commat;").encode(),
    "quoted printable": lambda body: body.replace(b"@", b"=40"),
    "zlib": zlib.compress,
    "gzip": lambda body: gzip.compress(body, mtime=1),
    "zstd": zstandard.compress,
    "raw deflate": raw_deflate,
    "in a form": lambda body: b'--x\r\nname="segment"\r\n\r\n' + body + b"\r\n--x--\r\n",
    "gzip in a string": lambda body: json.dumps({"d": gzip.compress(body, mtime=1).decode("latin-1")}).encode(),
    "two streams": lambda body: gzip.compress(b"first") + gzip.compress(body),
    "utf-16": lambda body: body.decode("latin-1").encode("utf-16-le"),
    "utf-16 be": lambda body: body.decode("latin-1").encode("utf-16-be"),
    "with a bad byte": lambda body: b"\xff" + body,
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
def test_an_address_is_found_in_every_form(wrap: Wrap) -> None:
    assert of_jane(wrap(TEXT)) == FOUND
    assert speaks(user_email="somebody@else.example").look(wrap(TEXT)) == NOTHING


@settings(max_examples=400)
@given(st.lists(st.sampled_from(sorted(WRAPS)), min_size=1, max_size=2))
def test_an_address_is_found_in_forms_of_forms(names: list[str]) -> None:
    body = TEXT
    for name in names:
        if name in OF_TEXT and not (body.isascii() and body.decode().isprintable()):
            continue
        if name in {"upper case", "raw deflate"} and body != TEXT:
            continue  # base64 has no case, and nothing tells where a bare stream begins inside another thing
        body = WRAPS[name](body)
        if name == "raw deflate":
            break
    assert of_jane(body) == FOUND


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, raw_deflate], ids=["zlib", "gzip", "deflate"])
def test_of_a_cut_stream_what_is_left_is_looked_into(pack: Wrap) -> None:
    noise = base64.b64encode(os.urandom(3000))
    whole = pack(TEXT + noise)
    assert of_jane(whole[:-1]) == FOUND
    assert of_jane(whole[: len(whole) // 2]) == FOUND
    early = pack(noise + TEXT)
    assert of_jane(early[: len(early) // 2]) == NOTHING, "the rest is not there"


@settings(max_examples=150)
@given(
    st.sampled_from([zlib.compress, gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress]),
    st.floats(0, 1),
    st.sampled_from([b"", b"\0" * 8, b"\xff" * 8, b"abcdefgh"]),
)
def test_of_a_damaged_stream_the_address_is_found_or_the_damage_is_said(
    pack: Wrap, place: float, instead: bytes
) -> None:
    noise = base64.b64encode(hashlib.sha512(b"noise").digest() * 20)
    whole = pack(noise + TEXT + noise)
    at = 12 + int(place * (len(whole) - 24))
    damaged = whole[:at] + instead + whole[at + 8 :]
    verdict = of_jane(damaged)
    assert damaged == whole or verdict.is_of_subject or verdict.unread or seems_cut(damaged)


def seems_cut(stream: bytes) -> bool:
    """Damage that only makes the stream go on for longer looks like a cut, behind which there is nothing."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        unpacker.decompress(stream)
    except zlib.error:
        return False
    return not unpacker.eof


OPAQUE = [os.urandom(300), zstandard.compress(os.urandom(2000))[:-5], b"\x1f\x8b\x08" + b"\1" * 40]


@pytest.mark.parametrize("opaque", OPAQUE, ids=["noise", "cut zstd", "no gzip"])
def test_what_is_neither_text_nor_compression_is_said_to_be_unread(opaque: bytes) -> None:
    assert of_jane(opaque).unread
    assert of_jane(b"--x\r\n\r\n" + opaque + b"\r\n--x--").unread
    assert of_jane(b"data=" + base64.b64encode(gzip.compress(opaque + os.urandom(99))[:-20])).unread


def test_a_bomb_is_not_unpacked_without_end() -> None:
    inner = zlib.compress(b" " * (150 << 20), 1)
    assert of_jane(inner).unread


@pytest.mark.parametrize("end", ["", '"', "'", "&", " ", ",", ";", "\\", ">", "<", ")", "\n", ".", ". ", "\0"])
@pytest.mark.parametrize("begin", ["", '"', "=", ":", " ", "<", "mailto:", "%20", "("])
def test_an_address_ends_where_it_ends(begin: str, end: str) -> None:
    assert of_jane(f"{begin}{JANE}{end}".encode()) == FOUND


OTHERS = [f"a{JANE}", f"a.{JANE}", f"{JANE}s", f"{JANE}.org", f"{JANE}-2", "Jane.Doe@x.example"]


@pytest.mark.parametrize("other", OTHERS)
def test_another_address_is_not_taken_for_it(other: str) -> None:
    assert of_jane(f'{{"email":"{other}","x":1}}'.encode()) == NOTHING


def test_an_address_that_the_cut_went_through_is_found() -> None:
    assert of_jane(f'{{"email":"{JANE[:-5]}'.encode()) == FOUND
    assert of_jane(b'{"email":"Jane.Doe+shop@') == NOTHING
    assert of_jane(f'{{"email":"a{JANE[:-5]}'.encode()) == NOTHING


def test_an_address_beyond_ascii_is_found_in_any_case_and_coding() -> None:
    text = "x=JÖRG@BÜRO.example"
    for coding in ("utf-8", "latin-1", "utf-16-le"):
        assert speaks(user_email="jörg@büro.example").look(text.encode(coding)) == FOUND


def test_a_name_whose_utf_8_was_taken_for_latin_1_is_found() -> None:
    of_joerg = speaks(user_email="jörg@büro.example")
    twice = "x=jörg@büro.example".encode().decode("latin-1")
    for raw in (twice.encode(), json.dumps({"a": twice}).encode(), base64.b64encode(twice.encode())):
        assert of_joerg.look(raw).is_of_subject


@pytest.mark.parametrize("start", range(4))
def test_a_run_of_base64_may_begin_before_what_was_encoded(start: int) -> None:
    for packed in (TEXT, gzip.compress(TEXT), zlib.compress(b"\xff\xfe" + TEXT)):
        assert of_jane(b"abcd"[:start] + base64.b64encode(packed)) == FOUND


def test_a_picture_costs_no_more_than_a_look() -> None:
    """As many readings as it has bytes would take minutes; one that is quarantined is looked into for every erasure."""
    picture = b'{"src":"data:image/png;base64,' + base64.b64encode(random.Random(1).randbytes(1 << 19)) + b'"}'
    begun = time.process_time()
    assert of_jane(gzip.compress(picture)) == NOTHING
    assert time.process_time() - begun < 20


def test_a_short_name_counts_only_as_a_value() -> None:
    of_seven = speaks(user_id="7")
    for raw in (b'{"id":"7"}', b'{"id":7}', b'{"id": 7}', b"view,userid=7,x=y a=1", b"userid=7"):
        assert of_seven.look(raw) == FOUND
    for raw in (b'{"id":"77"}', b'{"a":[1,7,2]}', b"view a=1 7", b'{"x":"7th"}', b'{"x":0.7}'):
        assert of_seven.look(raw) == NOTHING


@pytest.mark.parametrize("session", [SESSION, "s 1", 'a"b', "é", "..", "a/b", "x:y"])
def test_a_sessions_id_is_found(session: str) -> None:
    of_session = Speaks(Subject(session_id=session), [session])
    for raw in (
        json.dumps({"id": session}).encode(),
        f"view,session_id={session},a=b".encode(),
        zlib.compress(f"session_id={session}".encode())[:-3],
        f"session={quote(session, safe='')}".encode(),
        f"({session})".encode(),
    ):
        assert of_session.look(raw).is_of_subject, raw
    assert of_session.look(b'{"id":"another"}') == NOTHING
