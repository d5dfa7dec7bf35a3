"""Which catalog, and the one place where PyIceberg, which is optional, is asked for."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import MustAct, TryAgain
from sinks.store import ObjectStore

if TYPE_CHECKING:
    from sinks.iceberg.registrar import Registrar

GRACE_SECONDS = 600


class IcebergMissing(MustAct):
    """PyIceberg is not installed, or what the catalog needs beside it."""


class CatalogFault(TryAgain):
    """The catalog did not answer, or not as it should."""


class CatalogOptions(msgspec.Struct, frozen=True):
    """`properties`: as PyIceberg takes them; none: SQLite in the lake. `file_io`: how to reach the lake's store.

    `grace_seconds`: how long a query may take that has begun; what it reads stays for so long.
    """

    name: str = "replaylake"
    namespace: str = "rum"
    properties: Mapping[str, str] = {}
    file_io: Mapping[str, str] = {}
    grace_seconds: int = GRACE_SECONDS


def open_registrar(store: ObjectStore, options: CatalogOptions, now_ms: Callable[[], int]) -> "Registrar":
    """Raises IcebergMissing, MustAct for a catalog that cannot be, CatalogFault for one that does not answer."""
    try:
        from sinks.iceberg.registrar import Registrar  # noqa: PLC0415 - optional: only who asks needs it
    except ModuleNotFoundError as error:
        raise IcebergMissing(f"{error.name} is not installed: pip install 'replaylake[iceberg]'") from error
    return Registrar(store, options, now_ms)
