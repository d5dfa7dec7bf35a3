"""Real recordings as load: each clone is the same visit with session ids that have not been before."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.templates import SAMPLES
from bench.traffic import Sent
from flows.captures import CaptureCounts, read_captures
from operators.decode import decode
from operators.requests import keyed_by_session
from operators.wire.inflate import inflate
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item, Kind
from schemas.units import GIB

_BESIDE = SAMPLES.parent.parent / "shared" / "data" / "recordings"  # the full set, where somebody has put it


class Piece(msgspec.Struct, frozen=True):
    """A message without its session's id: `parts` are what lies between the places where the id stands."""

    offset_ms: int  # since the recording began
    session_id: bytes
    type: bytes
    headers: dict[str, bytes]
    parts: list[bytes]
    lines: int
    raw_bytes: int  # of the replay in it, inflated; 0 for a message of lines


class Recording(msgspec.Struct, frozen=True):
    """A capture, as far as its messages can be given another session id."""

    name: str
    family: str
    pieces: list[Piece]
    lost: int  # messages with the id inside a compressed body

    @property
    def raw_bytes(self) -> int:
        return sum(piece.raw_bytes for piece in self.pieces)

    def replay_only(self) -> "Recording":
        """Without the messages that hold only lines."""
        return msgspec.structs.replace(self, pieces=[piece for piece in self.pieces if piece.raw_bytes])

    def clone(self, number: int, start_ms: int) -> list[Sent]:
        """The recording as sessions of its own, begun at `start_ms` (receive clock; the client's stays as it was)."""
        found = []
        for position, piece in enumerate(self.pieces):
            clone_id = _clone_id(piece.session_id, number)
            value = clone_id.join(piece.parts)
            headers = {name: text.replace(piece.session_id, clone_id) for name, text in piece.headers.items()}
            received_ms = start_ms + piece.offset_ms
            found.append(Sent(received_ms, number, position, clone_id, piece.type, headers, value))
        return found


def capture_files() -> list[Path]:
    """The folder that REPLAYLAKE_RECORDINGS names, or one beside the checkout, or the samples."""
    folder = Path(os.environ.get("REPLAYLAKE_RECORDINGS") or _BESIDE)
    return sorted((folder if folder.is_dir() else SAMPLES).glob("*/*.jsonl.gz"))


def recordings(paths: list[Path]) -> list[Recording]:
    """Those of the captures that hold a replay and can be cloned."""
    found = [_recording(path) for path in paths]
    return [one for one in found if one.raw_bytes]


def _recording(path: Path) -> Recording:
    pieces: list[Piece] = []
    begin_ms, lost = None, 0
    for captured in read_captures([path], CaptureCounts()):
        for keyed in keyed_by_session(captured.message, Limits()):
            session_id, message = keyed.session_id, keyed.message
            if not session_id:
                continue
            begin_ms = message.received_ms if begin_ms is None else begin_ms
            piece = _piece(message, session_id.encode(), begin_ms)
            if piece is None:
                lost += 1
            else:
                pieces.append(piece)
    return Recording(path.name.partition(".")[0], path.parent.name, pieces, lost)


def _piece(message: Message, session_id: bytes, begin_ms: int) -> Piece | None:
    clone_id = _clone_id(session_id, 0)
    headers = {name: value.replace(session_id, clone_id) for name, value in message.headers.items()}
    value = message.value.replace(session_id, clone_id)
    items = list(_items(msgspec.structs.replace(message, value=value, headers=headers)))
    if not items or any(item is None or item.session_id != clone_id.decode() for item in items):
        return None
    bodies = [item.body for item in items if item is not None and item.kind == Kind.SEGMENT]
    return Piece(
        offset_ms=message.received_ms - begin_ms,
        session_id=session_id,
        type=(message.type or "").encode(),
        headers=message.headers,
        parts=message.value.split(session_id),
        lines=len(items) - len(bodies),
        raw_bytes=sum(len(inflate(body, GIB)) for body in bodies),
    )


def _items(message: Message) -> Iterator[Item | None]:
    for result in decode(message, Limits()):
        yield result if isinstance(result, Item) else None


def _clone_id(session_id: bytes, number: int) -> bytes:
    return session_id[:-8] + b"%08x" % number
