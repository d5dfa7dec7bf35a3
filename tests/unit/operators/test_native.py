"""The compiled leaf's row is a dictionary to Python, and a leaf of another release is not used."""

import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from operators import native
from operators.families.guance.native import LINES

ROOT = Path(__file__).parents[3]
BODY = (
    b'{"measurement":"view","tags":{"app_id":"shop","session_id":"s","view_id":"v"},'
    b'"fields":{"time_spent":5,"own":"x\\ny","view_in_foreground":true},"time":1795230000000}'
)

needs_leaf = pytest.mark.skipif(native.LEAF is None, reason="no compiled leaf in this environment")


@pytest.fixture
def row() -> Any:
    assert LINES is not None
    found = LINES.row(BODY)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("file", ["Cargo.toml", "Cargo.lock"])
def test_the_version_of_the_leaf_is_the_one_that_python_asks_for(file: str) -> None:
    told = tomllib.loads((ROOT / "native" / file).read_text(encoding="utf-8"))
    package = told.get("package", {})
    packages = [package] if isinstance(package, dict) else package
    assert [one["version"] for one in packages if one["name"] == "replaylake-native"] == [native.LEAF_VERSION]


def test_a_leaf_of_another_release_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("replaylake_native")
    other.__version__ = "0.0.1"  # type: ignore[attr-defined] # as a compiled module has it
    monkeypatch.setitem(sys.modules, "replaylake_native", other)
    assert native._leaf() is None


def test_without_a_leaf_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "replaylake_native", None)
    assert native._leaf() is None


@needs_leaf
def test_a_row_is_read_as_a_dictionary(row: Any) -> None:
    as_dict = dict(row)
    assert as_dict["custom"] == {"own": "x\ny"}
    assert list(row) == list(row.keys()) == list(as_dict) == [name for name, _ in row.items()]
    assert list(row.values()) == list(as_dict.values())
    assert row == as_dict == row
    assert as_dict == row
    assert row != {}
    assert len(row) == len(as_dict)
    assert repr(row) == repr(as_dict)
    assert (row | {"app_id": "x"}) == (as_dict | {"app_id": "x"})
    assert ({"app_id": "x", "a": 1} | row) == ({"app_id": "x", "a": 1} | as_dict)
    assert row.get("nothing") is None
    assert row.get("nothing", 5) == 5
    assert "nothing" not in row
    assert "env" not in row
    assert "view_id" in row
    with pytest.raises(KeyError):
        row["env"]


@needs_leaf
def test_a_row_is_changed_as_a_dictionary(row: Any) -> None:
    as_dict = dict(row)
    for one in (row, as_dict):
        one["revision"] = 1
        one["view_id"] = "w"
        one["no_column"] = "kept"
        one |= {"env": "prod", "other": 1}
        one.update({"session_part": 0})
        assert one.setdefault("env", "x") == "prod"
        assert one.setdefault("service", "y") == "y"
        assert one.pop("session_part") == 0
        assert one.pop("session_part", None) is None
        del one["time_spent"]
        one["time_spent"] = 7
    assert list(row.items()) == list(as_dict.items()) or dict(row) == as_dict
    with pytest.raises(KeyError):
        del row["city"]
    with pytest.raises(KeyError):
        row.pop("city")


@needs_leaf
def test_a_row_can_be_filled_and_emptied_again_and_again(row: Any) -> None:
    for number in range(600):
        row["env"] = str(number)
        del row["env"]
    row["env"] = "prod"
    assert row["env"] == "prod"
    assert row["view_id"] == "v"
