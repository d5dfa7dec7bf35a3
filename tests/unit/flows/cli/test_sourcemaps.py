"""`replaylake sourcemaps`: what is stored, listed, removed, refused; and the lines of docs/viewer.md run."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli.main import app
from tests.conftest import REPOSITORY
from tests.source_maps import source_map

MAP = source_map({"src/pay.ts": "x"}, [(0, 0, 0, 0)])


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a lake without sessions and a build, where commands run."""
    (tmp_path / "demo-lake" / "tables").mkdir(parents=True)
    build = {"js/app.js.map": MAP, "js/broken.js.map": b"{", "style/site.css.map": MAP, "js/app.js": b"x"}
    for path, content in build.items():
        file = tmp_path / "dist" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(line: str) -> Result:
    return CliRunner().invoke(app, shlex.split(line))


def test_the_maps_of_a_build_are_stored_listed_and_removed() -> None:
    said = call("sourcemaps upload 1.5.0 dist --app shop --lake demo-lake --json")
    assert said.exit_code == 0
    answer = json.loads(said.stdout)
    assert answer["uploaded"] == 1
    assert list(answer["skipped"]) == ["js/broken.js.map"]
    assert Path("demo-lake/sourcemaps/app_id=shop/release=1.5.0/js/app.js.map").read_bytes() == MAP
    (listed,) = json.loads(call("sourcemaps list --lake demo-lake --json").stdout)
    assert (listed["app_id"], listed["release"], listed["files"], listed["size"]) == ("shop", "1.5.0", 1, len(MAP))
    assert call("sourcemaps remove 1.5.0 --app shop --lake demo-lake").stdout == "1 map of shop 1.5.0 removed\n"
    assert json.loads(call("sourcemaps list --lake demo-lake --json").stdout) == []


def test_a_folder_without_maps_is_a_failure() -> None:
    Path("empty").mkdir()
    said = call("sourcemaps upload 1.5.0 empty --app shop --lake demo-lake")
    assert said.exit_code != 0
    assert "no source map in empty" in str(said.exception)


def test_maps_are_not_put_where_no_lake_is() -> None:
    said = call("sourcemaps upload 1.5.0 dist --app shop --lake elsewhere")
    assert "no lake at" in str(said.exception)
    assert not Path("elsewhere").exists()


def test_maps_may_have_a_place_of_their_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLAYLAKE_SOURCE_MAPS__URI", str(place / "maps"))
    assert call("sourcemaps upload 1.5.0 dist --app shop").exit_code == 0
    assert (place / "maps" / "app_id=shop" / "release=1.5.0" / "js" / "app.js.map").is_file()


def test_the_lines_of_the_documentation_run() -> None:
    page = (REPOSITORY / "docs" / "viewer.md").read_text(encoding="utf-8")
    lines = [line.split("#")[0] for line in page.splitlines() if line.startswith("replaylake sourcemaps")]
    assert len(lines) == 2
    assert [call(line.removeprefix("replaylake ")).exit_code for line in lines] == [0, 0]
