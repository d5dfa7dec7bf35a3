"""The one list of families, and that nobody outside their folders knows one by name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from operators.decode import decode
from operators.families.registry import FAMILIES, ROUTES, family_named, family_of, family_of_kind, kind_of_path
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Family, Item, Rejected

ROOT = Path(__file__).parents[4]
OUTSIDE = ("flows", "intake", "lake", "operators", "sinks", "viewer")
SHARED = {"family", "registry"}
NAMES = {folder.name for folder in (ROOT / "operators" / "families").iterdir() if (folder / "family.py").is_file()}
WORDS = {family.name for family in FAMILIES} | NAMES | {kind for family in FAMILIES for kind in family.kinds}
LINE = b'{"measurement":"view","tags":{"app_id":"a","session_id":"s"},"fields":{},"time":1700000000000}'


def _files() -> Iterator[Path]:
    for folder in OUTSIDE:
        yield from (file for file in (ROOT / folder).rglob("*.py") if "families" not in file.parts)


def _names_of_families(tree: ast.AST) -> Iterator[str]:
    members = set(Family.__members__)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in members:
            yield f"line {node.lineno}: {node.attr}"
        if isinstance(node, ast.Constant) and node.value in WORDS:
            yield f"line {node.lineno}: {node.value!r}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("operators.families."):
            room = str(node.module).split(".")[2]
            if room not in SHARED:
                yield f"line {node.lineno}: import of {room}"
        if isinstance(node, ast.Name | ast.arg | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else node.attr
            if set(name.lower().split("_")) & (NAMES - {"rrweb"}):
                yield f"line {node.lineno}: {name}"


def test_outside_their_folders_nobody_names_a_family() -> None:
    found = {
        f"{file.relative_to(ROOT)}, {one}"
        for file in _files()
        for one in _names_of_families(ast.parse(file.read_text()))
    }
    assert found == set()


@pytest.mark.parametrize("code", ["x is Family.RRWEB", "x == 'guance'", "_datadog_rum()", "'rrweb' in kinds"])
def test_a_name_would_be_found(code: str) -> None:
    assert list(_names_of_families(ast.parse(code)))


def test_every_number_on_disk_has_one_family() -> None:
    assert sorted(family.number for family in FAMILIES) == sorted(Family)
    for family in FAMILIES:
        assert family.name == family.number.name.lower() == family.recording.name
        assert family.recording.number is family.number
        assert family_of(family.number) is family_named(family.name) is family
    assert family_named("none") is None


def test_every_kind_and_route_is_of_one_family() -> None:
    kinds = [kind for family in FAMILIES for kind in family.kinds]
    assert len(kinds) == len(set(kinds))
    assert len(ROUTES) == sum(len(family.routes) for family in FAMILIES)
    for family in FAMILIES:
        assert family.form_kinds <= family.kinds
        assert set(family.routes.values()) == family.kinds
        assert all(family_of_kind(kind) is family for kind in family.kinds)
    assert all(kind_of_path(path.replace("*", "1")) == kind for path, kind in ROUTES.items())
    assert kind_of_path("/nowhere") is None
    assert family_of_kind("none") is family_of_kind(None) is None


def test_a_bad_row_at_the_front_of_an_unlabelled_message_costs_itself() -> None:
    bad = b'{"measurement":"none","tags":{},"fields":{}}'
    results = decode(Message(None, {}, b"[" + bad + b"," + LINE + b"]", 7), Limits())
    assert [type(one) for one in results] == [Rejected, Item]
