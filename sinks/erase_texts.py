"""Whether bytes that nobody could read speak of somebody, in whatever form a name may have been written.

They are looked at as they are and under everything that they may be wrapped in: compressed streams, cut or damaged ones
as far as they go, wherever they begin; base64 and hexadecimal digits; escapes of addresses, JSON, HTML and line
protocol, several times over; UTF-8, UTF-16 and Latin-1, also one taken for the other. What is neither text nor one of
these cannot be looked into, and that is said.
"""

import base64
import binascii
import contextlib
import html
import re
import zlib
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_to_bytes

import msgspec
import xxhash
import zstandard

from schemas.erasure import Subject
from schemas.units import MIB

_TOTAL_MAX = 128 * MIB  # of everything that one row unpacks to
_DEPTH_MAX = 8  # wrappings inside each other
_ROUNDS_MAX = 4  # escapes of escapes
_STREAM = re.compile(rb"\x1f\x8b\x08|\x28\xb5\x2f\xfd|\x78[\x01\x5e\x9c\xda]")
_GZIP_TEXT = "\x1f\x8b\x08"  # PostHog puts gzip bytes into strings, one character a byte
_STREAMS_MAX = 1000  # beginnings that are tried in one text
_COINCIDENCE_BYTES = 8  # what a stream that is none may inflate to before it fails
_STEP = 1024
_ZSTD_STEP = 64
_ZSTD_WINDOW_MAX = 1 << 27
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f")) + b"\x7f"
_CONTROL_SHARE = 50  # one control character among so many bytes: no text has that
_STRANGER_SHARE = 10
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_FOLDED = re.compile(r"(?:[A-Za-z0-9+/]{60,76}\s{1,2})+[A-Za-z0-9+/]+={0,2}")  # base64 in lines, as of mail
_BASE64_PLAIN = str.maketrans("-_", "+/")
_STRETCH = re.compile(rb"[\t\n\r -~]{6,}")  # of text among other bytes; of noise 0.3 % looks so
_GROUP = 4  # characters of base64 for three bytes; a run may begin before what was encoded
_HEX = r"[0-9a-fA-F]"
_HEX_RUN = re.compile(rf"{_HEX}{{12,}}")
_ESCAPE = re.compile(rf"\\(?:u({_HEX}{{4}})|u\{{({_HEX}{{1,6}})\}}|x({_HEX}{{2}})|([0-3]?[0-7]{{2}})|(.))", re.DOTALL)
_PERCENT_U = re.compile(rf"%u({_HEX}{{4}})")  # as JavaScript's `escape` has it
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_QUOTED_PRINTABLE = re.compile(r"=\r?\n|=([0-9A-Fa-f]{2})")
_TOKENS = re.compile(r"[\w.@+:%-]{1,256}")
_WORDS = re.compile(r"[\w-]{1,256}")
_SHORT_NAME = 6  # characters: below that a name counts only where a value stands


class Verdict(msgspec.Struct, frozen=True):
    """`unread`: why some of it could not be looked into; empty when all was, or when it is of the subject anyway."""

    is_of_subject: bool
    unread: str = ""


class Speaks:
    """Whether input speaks of a subject: has a session's id, a person's name as a value, or the app's."""

    def __init__(self, subject: Subject, sessions: Iterable[str]) -> None:
        ids = set(sessions)
        self._ids = {one for one in ids if _TOKENS.fullmatch(one)}
        self._odd_ids = ids - self._ids
        self._emails = [subject.user_email.casefold()] if subject.user_email else []
        names = [subject.user_id] if subject.user_id else []
        if subject.kind == "app" and subject.app_id is not None:
            names.append(subject.app_id)
        patterns = [_name_pattern(name.casefold()) for name in names] + [_email_pattern(one) for one in self._emails]
        self._names = re.compile("|".join(patterns)) if patterns else None
        self._plain_names = [name.casefold() for name in names] + self._emails

    def look(self, raw: bytes) -> Verdict:
        """All that can be read of it."""
        unread = ""
        for piece in _pieces(raw):
            if isinstance(piece, _Unread):
                unread = unread or piece.reason
            elif self._is_named(piece):
                return Verdict(is_of_subject=True)
        return Verdict(is_of_subject=False, unread=unread)

    def _is_named(self, text: str) -> bool:
        if self._ids and not (
            self._ids.isdisjoint(_TOKENS.findall(text)) and self._ids.isdisjoint(_WORDS.findall(text))
        ):
            return True
        if any(one in text for one in self._odd_ids):
            return True
        if self._names is None:
            return False
        folded = text.casefold()
        is_there = any(name in folded for name in self._plain_names)  # much quicker than the pattern
        return (is_there and self._names.search(folded) is not None) or any(
            _ends_in(folded, email) for email in self._emails
        )


class _Unread(msgspec.Struct, frozen=True):
    reason: str


class _Blob(msgspec.Struct, frozen=True):
    """Bytes to be looked at. `is_guess`: they may be nothing at all, so that nobody minds if they are no text."""

    content: bytes
    depth: int
    is_guess: bool


def _pieces(raw: bytes) -> Iterator[str | _Unread]:
    """Every text that is in it, and what is none."""
    waiting, guesses = [_Blob(raw, 0, is_guess=False)], list[_Blob]()
    seen, runs, total = set[bytes](), set[str](), 0
    while waiting or guesses:
        blob = waiting.pop() if waiting else guesses.pop()
        digest = xxhash.xxh3_128_digest(blob.content)
        if not blob.content or digest in seen:
            continue
        seen.add(digest)
        total += len(blob.content)
        if total > _TOTAL_MAX or blob.depth > _DEPTH_MAX:
            yield _Unread(f"unpacks to more than {_TOTAL_MAX // MIB} MiB, or more than {_DEPTH_MAX} times")
            return
        rest = bytearray()
        position, is_whole = 0, True
        for found in _streams(blob.content):
            rest += blob.content[position : found.start]
            position = found.end
            is_whole = is_whole and not found.is_damaged
            (guesses if blob.is_guess else waiting).append(_Blob(found.inner, blob.depth + 1, blob.is_guess))
        rest += blob.content[position:]
        if not blob.is_guess and (not is_whole or _is_opaque(rest)):
            yield _Unread("neither text nor a compression that can be undone, or damaged")
        if _is_opaque(blob.content):
            yield from _readings(blob.content)
        for text in _texts(_text_of(blob, bytes(rest))):
            yield text
            for inner in _wrapped(text, blob.depth + 1, runs):
                (guesses if inner.is_guess else waiting).append(inner)
            if not blob.is_guess:
                waiting += _binary(text, blob.depth + 1)


def _text_of(blob: _Blob, rest: bytes) -> bytes:
    """What of it can have escapes. `rest`: what is between its streams."""
    if not _is_opaque(blob.content):
        return blob.content
    if blob.is_guess:  # what may be text in it was taken out when it was decoded
        return b""
    return b"\n".join(_STRETCH.findall(rest)) if _is_opaque(rest) else rest


class _Stream(msgspec.Struct, frozen=True):
    """A compressed stream within something: where it lies, as far as it can be read, and what it holds so far."""

    start: int
    end: int
    inner: bytes
    is_damaged: bool = False  # not only cut
    is_whole: bool = False


def _streams(content: bytes) -> Iterator[_Stream]:
    """Those that begin anywhere in it, none inside another."""
    if not _STREAM.match(content) and _is_opaque(content):
        bare = _deflated(content, 0, -zlib.MAX_WBITS)  # without a header nothing tells it but success
        is_whole = bare.is_whole and bare.end == len(content)
        is_cut = 2 * bare.end > len(content) and not _is_opaque(bare.inner)
        if len(bare.inner) > _COINCIDENCE_BYTES and (is_whole or is_cut):
            yield bare
            return
    position = 0
    for _ in range(_STREAMS_MAX):
        begin = _STREAM.search(content, position)
        if begin is None:
            break
        found = _stream_at(content, begin.start())
        is_one = found.is_whole or len(found.inner) > _COINCIDENCE_BYTES or found.end == len(content)
        position = found.start + 1
        if found.inner and is_one:
            position = max(position, found.end)
            is_text = found.is_damaged and not _is_opaque(content[found.start : position])
            yield msgspec.structs.replace(found, end=position, is_damaged=found.is_damaged and not is_text)


def _stream_at(content: bytes, start: int) -> _Stream:
    if content[start] == 0x28:
        return _zstd(content, start)
    return _deflated(content, start, 16 + zlib.MAX_WBITS if content[start] == 0x1F else zlib.MAX_WBITS)


def _deflated(content: bytes, begin: int, wbits: int) -> _Stream:
    """Up to the damage, the cut or the end."""
    stream = zlib.decompressobj(wbits)
    inner = bytearray()
    for start in range(begin, len(content), _STEP):
        step = content[start : start + _STEP]
        before = stream.copy()
        try:
            inner += stream.decompress(step)
        except zlib.error:
            end = start + _readable(before, step, inner)
            return _Stream(begin, end, bytes(inner), is_damaged=True)
        if stream.eof:
            return _Stream(begin, start + len(step) - len(stream.unused_data), bytes(inner), is_whole=True)
        if len(inner) > _TOTAL_MAX:
            break
    return _Stream(begin, len(content), bytes(inner))


def _readable(stream: "zlib._Decompress", step: bytes, inner: bytearray) -> int:
    """Adds to `inner` what comes before the byte where the damage shows, and says which it is."""
    for number in range(len(step)):
        try:
            inner += stream.decompress(step[number : number + 1])
        except zlib.error:
            return number
    return len(step)


def _zstd(content: bytes, begin: int) -> _Stream:
    """The same. A block that is cut cannot be read at all, so it counts as not read."""
    stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX).decompressobj()
    inner, read, is_damaged = bytearray(), begin, False
    for start in range(begin, len(content), _ZSTD_STEP):
        step = content[start : start + _ZSTD_STEP]
        try:
            found = stream.decompress(step)
        except zstandard.ZstdError:
            is_damaged = True
            break
        if found:
            inner += found
            read = start
        if stream.eof:
            return _Stream(begin, start + len(step) - len(stream.unused_data), bytes(inner), is_whole=True)
        if len(inner) > _TOTAL_MAX:
            break
    return _Stream(begin, read, bytes(inner), is_damaged=is_damaged)


def _is_opaque(content: bytes | bytearray) -> bool:
    """Whether it cannot be text: control characters among it, or more that is no UTF-8 than Latin-1 has accents.

    Zeros alone say nothing, and UTF-16 has every second.
    """
    said = content.replace(b"\0", b"") if content.count(0) * 4 > len(content) else content
    controls = len(said) - len(said.translate(None, _CONTROLS))
    if controls > 1 and controls * _CONTROL_SHARE > len(said):
        return True
    strangers = said.decode(errors="replace").count("\ufffd") if not said.isascii() else 0
    return strangers > 3 and strangers * _STRANGER_SHARE > len(said)


def _texts(content: bytes) -> Iterator[str]:
    """Every reading of it as text, with the escapes undone once, twice and so on."""
    for plain in _readings(content):
        yield from _unescaped(plain)


def _readings(content: bytes) -> Iterator[str]:
    plain = content.decode(errors="replace")
    yield plain
    if "\ufffd" in plain:
        yield content.decode("latin-1")
    if content.count(0) * 4 > len(content):
        for coding in ("utf-16-le", "utf-16-be"):
            yield content.decode(coding, errors="replace")


def _unescaped(text: str) -> Iterator[str]:
    yield text
    for _ in range(_ROUNDS_MAX):
        before = text
        for undo in (_without_percent, _without_backslashes, html.unescape, _read_again):
            alone = undo(before)  # what another one would have changed may be the bytes of something packed
            if alone not in (before, text):
                yield alone
            undone = undo(text)
            if undone not in (text, alone):
                yield undone
            text = undone
        if text == before or _is_binary(text):  # escapes of what is packed are none
            break
        if "\0" in text:  # UTF-16 whose bytes were escaped
            text = text.replace("\0", "")
            yield text
    if "=" in text:
        printable = _QUOTED_PRINTABLE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "", text)
        if printable != text:
            yield printable


def _without_percent(text: str) -> str:
    if "%" not in text:
        return text
    return unquote(_PERCENT_U.sub(lambda found: chr(int(found[1], 16)), text), errors="replace")


def _read_again(text: str) -> str:
    """UTF-8 that somebody took for Latin-1 and wrote as UTF-8."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _without_backslashes(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(found: re.Match[str]) -> str:
    *codes, octal, plain = found.groups()
    if plain is not None:
        return _NAMED.get(plain, plain)
    if octal is not None:
        return chr(int(octal, 8))
    number = int(next(filter(None, codes)), 16)
    return chr(number) if number < 0x110000 else "\ufffd"


def _wrapped(text: str, depth: int, seen: set[str]) -> Iterator[_Blob]:
    """What base64, hexadecimal digits and gzip in a text hold. `seen`: runs of digits that need no second look.

    Most words look like one of them, so only text and streams in it are no guess.
    """
    texts: list[bytes] = []
    others: list[bytes] = []
    for decoded in _decoded_runs(text, seen):
        if len(decoded) > 3 * _COINCIDENCE_BYTES and (_STREAM.match(decoded) or decoded.isascii()):
            yield _Blob(decoded, depth, is_guess=False)
        elif _is_printable(decoded) or decoded.count(0) * 4 > len(decoded):
            texts.append(decoded)
        else:
            texts += _STRETCH.findall(decoded)
            others.append(decoded)
    for guesses in (texts, others):
        if guesses:
            yield _Blob(b"\n".join(guesses), depth, is_guess=True)
    position = text.find(_GZIP_TEXT)
    while position >= 0:
        yield _Blob(text[position:].encode("latin-1", errors="replace"), depth, is_guess=True)
        position = text.find(_GZIP_TEXT, position + len(_GZIP_TEXT))


def _is_printable(content: bytes) -> bool:
    try:
        return content.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _decoded_runs(text: str, seen: set[str]) -> Iterator[bytes]:
    """What every run of digits of an encoding stands for, wherever in the run it begins."""
    for found in (*("".join(folded.split()) for folded in _FOLDED.findall(text)), *_BASE64.findall(text)):
        if found in seen:
            continue
        seen.add(found)
        run = found.rstrip("=").translate(_BASE64_PLAIN)
        for start in range(min(_GROUP, len(run))):
            body = run[start:]
            with contextlib.suppress(binascii.Error):
                yield base64.b64decode(body[: len(body) - (len(body) % 4 == 1)] + "=" * (-len(body) % 4))
    for run in _HEX_RUN.findall(text):
        for start in range(2):
            yield bytes.fromhex(run[start : start + (len(run) - start) // 2 * 2])


def _binary(text: str, depth: int) -> Iterator[_Blob]:
    """Bytes that escapes of a text stand for."""
    if "%" in text:
        yield _Blob(unquote_to_bytes(text), depth, is_guess=False)
        if "+" in text:  # a form's space
            yield _Blob(unquote_to_bytes(text.replace("+", " ")), depth, is_guess=False)
    if _is_binary(text):
        yield _Blob(text.encode("latin-1", errors="replace"), depth, is_guess=False)


def _is_binary(text: str) -> bool:
    return not text.isprintable() and _is_opaque(text.encode("latin-1", errors="replace"))


def _email_pattern(email: str) -> str:
    return rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)"


def _name_pattern(name: str) -> str:
    if len(name) < _SHORT_NAME:
        return rf"(?:^|[\"'=:])\s?{re.escape(name)}(?:$|[\"',&;\s<}}\])])"
    return rf"(?<![\w.@+-]){re.escape(name)}(?![\w@+-]|\.\w)"


def _ends_in(text: str, email: str) -> bool:
    """Whether the text was cut within the address, behind its @."""
    shortest = email.find("@") + 2
    if shortest < 2:
        return False
    for length in range(shortest, len(email)):
        if text.endswith(email[:length]):
            before = text[-length - 1 : -length]
            return not before or re.match(r"[\w.+-]", before) is None
    return False
