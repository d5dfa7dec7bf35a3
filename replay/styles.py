"""The styles of a lake's blobs, read and verified; those used last stay in memory, because blobs share them."""

from schemas.blob import BlobFormatError
from schemas.keys import style_key
from schemas.style import STYLE_OBJECT_BYTES_MAX, STYLES_BYTES_MAX, open_style
from sinks.store import ObjectStore

_HELD_BYTES_MAX = 4 * STYLES_BYTES_MAX


class StyleShelf:
    """Styles of one store. Not thread-safe."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._held: dict[str, bytes] = {}  # text by key, the one used last at the end

    def read(self, blob_key: str, digest: str) -> bytes:
        """The text of a style of a blob. Raises BlobFormatError or ObjectMissing, both with the key of the style."""
        key = style_key(blob_key, digest)
        text = self._held.pop(key, None)
        if text is None:
            text = self._fetch(key, digest)
        self._held[key] = text
        while sum(map(len, self._held.values())) > _HELD_BYTES_MAX:
            del self._held[next(iter(self._held))]
        return text

    def _fetch(self, key: str, digest: str) -> bytes:
        stored = self._store.read_range(key, 0, STYLE_OBJECT_BYTES_MAX)  # one request, where a whole read takes two
        try:
            return open_style(stored, digest)
        except BlobFormatError as error:
            raise BlobFormatError(f"{key}: {error}") from error
