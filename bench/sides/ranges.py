"""Bytes and requests of a first picture and of seeks in one blob, by its reader: run by the Python of any checkout."""

import json
import sys
from pathlib import Path

from lake.blob_reader import BlobReader

_SEEKS = 40


class _Counted:
    """A file by ranges."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        self.reads: list[int] = []

    def open(self) -> BlobReader:
        self.reads.clear()
        return BlobReader(self._read, len(self._data))

    def _read(self, offset: int, length: int) -> bytes:
        self.reads.append(length)
        return self._data[offset : offset + length]


def main() -> None:
    counted = _Counted(Path(sys.argv[1]))
    counted.open().first_picture()
    found = {"first picture, requests": len(counted.reads), "first picture, MB": sum(counted.reads) / 1e6}
    index = counted.open().index
    seeks = []
    for number in range(_SEEKS):
        reader = counted.open()
        _ = reader.index
        counted.reads.clear()
        reader.seek(index.start_ms + (index.end_ms - index.start_ms) * number // _SEEKS)
        seeks.append((len(counted.reads), sum(counted.reads) / 1e6))
    found["seek, requests, most"] = max(requests for requests, _ in seeks)
    found["seek, MB, mean"] = sum(size for _, size in seeks) / len(seeks)
    found["seek, MB, most"] = max(size for _, size in seeks)
    print(json.dumps({**found, "frames": len(index.frames)}))


if __name__ == "__main__":
    main()
