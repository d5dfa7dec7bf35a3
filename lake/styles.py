"""The styles of a lake's blobs, read and verified; those used last stay in memory, because blobs share them."""

from collections import OrderedDict
from threading import Lock

from schemas.blob import BlobFormatError
from schemas.keys import style_key
from schemas.style import STYLE_OBJECT_BYTES_MAX, STYLES_BYTES_MAX, open_style
from sinks.store import ObjectStore

_KEPT_BYTES_MAX = 4 * STYLES_BYTES_MAX


class StyleShelf:
    """Styles of one store. Thread-safe: a service has one for all that it reads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._kept: OrderedDict[str, bytes] = OrderedDict()  # text by key, the one used last at the end
        self._lock = Lock()

    def read(self, blob_key: str, digest: str) -> bytes:
        """The text of a style of a blob. Raises BlobFormatError or ObjectMissing, both with the key of the style."""
        key = style_key(blob_key, digest)
        with self._lock:
            text = self._kept.get(key)
        if text is None:
            text = self._fetch(key, digest)
        with self._lock:
            self._kept[key] = text
            self._kept.move_to_end(key)
            while sum(map(len, self._kept.values())) > _KEPT_BYTES_MAX:
                self._kept.popitem(last=False)
        return text

    def _fetch(self, key: str, digest: str) -> bytes:
        stored = self._store.read_range(key, 0, STYLE_OBJECT_BYTES_MAX)  # one request, where a whole read takes two
        try:
            return open_style(stored, digest)
        except BlobFormatError as error:
            raise BlobFormatError(f"{key}: {error}") from error
