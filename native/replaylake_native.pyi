from collections.abc import Callable, Sequence

from schemas.items import Family, Item, Kind

__version__: str

class Row: ...

class Tables:
    def __init__(self, tables: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None: ...
    def columns(
        self, table: str, rows: list[dict[str, object]]
    ) -> list[tuple[int, list[bytes | None]] | None] | None: ...

class GuanceLines:
    def __init__(
        self,
        tables: Tables,
        measurements: Sequence[tuple[str, Kind, str, Sequence[tuple[str, int, str]]]],
        as_text: Callable[[object], str],
        item: type[Item],
        family: Family,
    ) -> None: ...
    def row(self, body: bytes) -> tuple[Kind, dict[str, str | int | float | bool | dict[str, str]]] | None: ...
    def json_item(self, raw: bytes, received_ms: int, line_bytes: int, id_length: int) -> Item | None: ...
    def protocol_items(
        self, body: bytes, start: int, received_ms: int, line_bytes: int, id_length: int
    ) -> tuple[list[Item], int]: ...

def plain_window(packed: bytearray, gap_ms: int, cap_ms: int) -> tuple[int, int, int, int, int] | None: ...
