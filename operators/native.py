"""The compiled leaf, where it is installed: the usual case of the hot paths in one step, with the same result.

Python decides everything: whatever the leaf does not take, it hands back, and without it Python does all. This is the
only place that asks whether it is there. docs/decisions/0020-compiled-leaf.md
"""

from collections.abc import MutableMapping
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from schemas.tables import TABLES

if TYPE_CHECKING:
    from replaylake_native import Tables

LEAF_VERSION = "0.3.0"  # of the leaf that has this release's rules, as native/Cargo.toml says it; no other is used


class Leaf(NamedTuple):
    """The module, and the lake's tables as it knows them."""

    module: ModuleType
    tables: "Tables"


def _leaf() -> Leaf | None:
    try:
        import replaylake_native as module  # noqa: PLC0415 - it may be missing
    except ImportError:
        return None
    if module.__version__ != LEAF_VERSION:
        return None
    MutableMapping.register(module.Row)
    tables = [(name, [(field.name, field.type) for field in table.fields]) for name, table in TABLES.items()]
    return Leaf(module, module.Tables(tables))


LEAF = _leaf()
