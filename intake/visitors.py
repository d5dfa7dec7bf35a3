"""Where a request came from, put into its lines: the address, and what MaxMind databases know about it.

Only when the operator asks for it, and only into a line that says nothing of the kind itself. A segment has no such
columns and stays as it is.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import maxminddb
import msgspec

from operators.families.registry import family_of
from operators.wire.json_text import tolerant
from operators.wire.unusable import JSON_ERRORS
from schemas.errors import MustAct
from schemas.items import Item, Kind

_CACHED_ADDRESSES = 65_536
_decode = tolerant(msgspec.json.Decoder(dict[str, msgspec.Raw]))
_encode = msgspec.json.Encoder().encode

Columns = Mapping[str, str]


class BadDatabase(MustAct):
    """A file is no MaxMind database; the message names it."""


class Visitors:
    """Columns of an address. `keeps_address`: whether the address itself is one of them."""

    def __init__(self, databases: Iterable[Path], *, keeps_address: bool) -> None:
        self._keeps_address = keeps_address
        self._files = ExitStack()
        self._readers = [self._open(path) for path in databases]
        self.columns = lru_cache(_CACHED_ADDRESSES)(self._columns)

    def __bool__(self) -> bool:
        return self._keeps_address or bool(self._readers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def _open(self, path: Path) -> maxminddb.Reader:
        try:
            return self._files.enter_context(maxminddb.open_database(path))
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise BadDatabase(f"{path}: {error}") from error

    def _columns(self, address: str) -> Columns:
        try:
            ip = ip_address(address)
        except ValueError:
            return {}
        found = {"ip": address} if self._keeps_address else {}
        for reader in self._readers:
            try:
                record = reader.get(ip)
            except ValueError:  # an IPv6 address, and a database of IPv4
                continue
            if isinstance(record, dict):
                found |= _place(record)
        return found


def with_columns(item: Item, body: bytes, columns: Columns) -> bytes:
    """The line with the columns that it does not fill itself; a place is taken whole or not at all.

    `body`: of the item, maybe masked. Returns the same object where nothing is added.
    """
    if item.kind == Kind.SEGMENT or not columns:
        return body
    places = family_of(item.family).places
    try:
        line = _decode(body)
        objects = {name: _decode(line[name]) for name, _ in places.values() if name in line}
    except JSON_ERRORS:
        return body  # decode has let it pass, so it is odd but usable: as it came
    fits = any(within in objects and name in objects[within] for within, name in places.values())
    if fits:
        return body
    for column, value in columns.items():
        within, name = places[column]
        objects.setdefault(within, {})[name] = msgspec.Raw(_encode(value))
        line[within] = msgspec.Raw(_encode(objects[within]))
    return _encode(line)


def _place(record: Mapping[str, object]) -> dict[str, str]:
    """What City, Country, ISP and ASN databases call these."""
    subdivisions = record.get("subdivisions")
    first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else None
    country = record.get("country")
    found = {
        "country": _name(country),
        "country_iso_code": country.get("iso_code") if isinstance(country, dict) else None,
        "province": _name(first),
        "city": _name(record.get("city")),
        "isp": record.get("isp") or record.get("autonomous_system_organization"),
    }
    return {column: value for column, value in found.items() if isinstance(value, str) and value}


def _name(place: object) -> object:
    names = place.get("names") if isinstance(place, dict) else None
    return names.get("en") if isinstance(names, dict) else None
