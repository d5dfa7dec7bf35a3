"""What an epoch of a shard is about to publish, in memory: rows, blobs, styles, until they are staged as a bundle."""

import hashlib

from operators.assemble import Assembled
from schemas.keys import style_key, table_key
from schemas.style import encode_style
from sinks.tables import Row, Rows

_KNOWN_STYLES_MAX = 10_000  # a megabyte of keys; beyond that styles are stored once more, with the same bytes
_KNOWN_BLOBS_MAX = 10_000  # the same; beyond that blobs of revised windows are made once more, to know their size


class EpochOutput:
    """Of one shard. `rows_added`: counts the rows of each table since the start."""

    def __init__(self, rows_added: dict[str, int]) -> None:
        self._rows = Rows(added=rows_added)
        self._raw_bytes = 0  # of quarantined bodies, which are in rows
        self._blobs: dict[str, bytes] = {}
        self._styles: dict[str, bytes] = {}  # text by key
        self._known_styles: set[str] = set()  # keys that this writer has staged
        self.blob_bytes: dict[str, int] = {}  # sizes of blobs that this writer has made, for late revisions

    @property
    def row_count(self) -> int:
        """Rows that wait."""
        return self._rows.count

    @property
    def held_bytes(self) -> int:
        """Bytes that wait outside columns: of blobs, styles and quarantined bodies."""
        return sum(map(len, self._blobs.values())) + sum(map(len, self._styles.values())) + self._raw_bytes

    def add_rows(self, table: str, days: int, day: str, rows: list[Row], raw_bytes: int = 0) -> None:
        """`raw_bytes`: of bodies that the rows carry. Raises ValueError for a column that is not declared."""
        self._rows.add(table, days, day, rows)
        self._raw_bytes += raw_bytes

    def add_replay(self, done: Assembled) -> None:
        """The blob of a window, and its styles unless this writer has stored them for the class and day before."""
        if not done.blob:
            return
        self._blobs[done.blob_key] = done.blob
        self.blob_bytes[done.blob_key] = len(done.blob)
        for digest, text in done.styles.items():
            key = style_key(done.blob_key, digest)
            if key not in self._known_styles:
                self._styles[key] = text

    def take(self, file_prefix: str) -> tuple[dict[str, bytes], int]:
        """Encode and forget everything: (content by final key, bytes of blobs and styles among it).

        `file_prefix`: of the names of table files, which end with a hash of their content.
        """
        objects: dict[str, bytes] = {}
        for (table, days, day), content, mark in self._rows.take():
            digest = hashlib.sha256(content).hexdigest()[:12]
            objects[table_key(table, days, day, f"{file_prefix}-{digest}{mark}")] = content
        replays = self._take_replays()
        return objects | replays, sum(map(len, replays.values()))

    def _take_replays(self) -> dict[str, bytes]:
        replays = {key: encode_style(text) for key, text in self._styles.items()} | self._blobs
        if len(self._known_styles) > _KNOWN_STYLES_MAX:
            self._known_styles = set()
        if len(self.blob_bytes) > _KNOWN_BLOBS_MAX:
            self.blob_bytes = {}
        self._known_styles |= self._styles.keys()
        self._blobs, self._styles, self._raw_bytes = {}, {}, 0
        return replays
