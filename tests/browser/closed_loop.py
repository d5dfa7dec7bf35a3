"""Site, browser, SDK, intake, Kafka, job: a lake that real visits to a small site of our own have made.

For every test that wants such a lake: `with visited_lake(folder) as visited: ...`
"""

import contextlib
import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from bench.intake_process import IntakeProcess
from flows.demo.servers import start_broker
from flows.server_process import LOOPBACK
from tests.conftest import CHROMIUM
from tests.torture.job import JobProcess, Place

HERE = Path(__file__).parent
FAMILIES = ("datadog", "posthog", "rrweb", "sentry")
SNIPPETS = {f"snippet-{name}": name for name in FAMILIES}  # pages made of docs/snippets.md
INTAKE_NAME = "intake.example"  # what the snippets call the intake
APPS = {"datadog": "datadog-shop", "posthog": "posthog-shop", "rrweb": "rrweb-shop", "sentry": "4242"}
_MODULES = HERE / "node_modules"
_SDKS = {
    "datadog": _MODULES / "@datadog" / "browser-rum" / "bundle",
    "posthog": _MODULES / "posthog-js" / "dist",
    "rrweb": _MODULES / "rrweb" / "dist",
    "sentry": _MODULES / ".bundles",  # its package has modules only
}
_SESSION_IDS = {  # how a page says which session it is in
    "datadog": "DD_RUM.getInternalContext()?.session_id",
    "posthog": "posthog.get_session_id()",
    "rrweb": "session_id",
    "sentry": "Sentry.getReplay()?.getReplayId()",
}
_SECONDS_GAP = 15  # longer than any pause of the visitors, machine under load included


class Visit(msgspec.Struct):
    """One visitor. `answers`: "METHOD PATH STATUS" of the intake, `failures`: requests without an answer."""

    session: str
    answers: list[str]
    failures: list[str]


class Visited(msgspec.Struct):
    """The lake after all sessions are closed, who visited, and what the intake says."""

    lake: Path
    visits: dict[str, Visit]
    intake_metrics: dict[str, float]


def missing() -> str:
    """What this machine lacks for a visit; "" when nothing."""
    for name, program in {"chromium": CHROMIUM, "openssl": shutil.which("openssl")}.items():
        if program is None:
            return f"no {name} on this machine"
    if shutil.which("node") is None or not (_MODULES / "@sentry" / "browser").is_dir():
        return "no Node or no node_modules: run `npm ci` in tests/browser"
    return ""


@contextmanager
def visited_lake(folder: Path, intake_settings: Mapping[str, str] | None = None) -> Iterator[Visited]:
    """Run everything, and stop all of it before the block begins but what is yielded: files."""
    with start_broker() as broker:
        broker.create_topic("rum", 4)
        gap = {"REPLAYLAKE_SESSIONS__GAP_SECONDS": str(_SECONDS_GAP), "REPLAYLAKE_SESSIONS__CAP_SECONDS": "600"}
        job = JobProcess(Place(broker, str(folder / "lake"), folder / "recovery", extra=gap))
        try:
            with IntakeProcess(broker.bootstrap, "rum", folder, intake_settings) as intake:
                with tls_front(folder, intake.port) as front:
                    visits = _visit(folder, f"http://{LOOPBACK}:{intake.port}", front)
                metrics = intake.metrics()
                assert intake.stop() == 0, intake.log()
            job.await_idle(180)
            code, _ = job.stop()
            assert code == 0, job.log_tail()
        finally:
            job.end()
    yield Visited(folder / "lake", visits, metrics)


def watch(what: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What somebody sees who looks at these sessions in the page of `serve`; pictures stay in the folder."""
    found: dict[str, Any] = json.loads(_drive("watch", {**what, "folder": str(folder)}, folder))
    return found


def _visit(folder: Path, intake: str, front: int) -> dict[str, Visit]:
    what = {
        "intake": [intake, f"https://{INTAKE_NAME}"],
        "rounds": [FAMILIES, list(SNIPPETS)],
        "arguments": [f"--host-resolver-rules=MAP {INTAKE_NAME}:443 {LOOPBACK}:{front}", "--ignore-certificate-errors"],
        "modules": str(_MODULES),
    }
    with _site() as site:
        seen = _drive("visit", {"site": site, **what}, folder)
    return msgspec.json.decode(seen, type=dict[str, Visit])


def snippet(name: str) -> str:
    """The block of docs/snippets.md, as it stands there."""
    text = (HERE.parents[1] / "docs" / "snippets.md").read_text(encoding="utf-8")
    return text.split(f"<!-- snippet: {name} -->\n```html\n")[1].split("```\n")[0]


def _snippet_page(name: str) -> bytes:
    asked = f"<script>window.sessionId = () => {_SESSION_IDS[name]};</script>"
    shop = '<script src="/shop.js"></script>'
    head = '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Snippet</title>'
    page = f"{head}\n{snippet(name)}<body></body>{shop}{asked}"
    return page.encode()


@contextmanager
def tls_front(folder: Path, port: int) -> Iterator[int]:
    """What a proxy is in production: a port that speaks TLS for a service that does not."""
    key, certificate = folder / "front.key", folder / "front.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made = [*make, "-subj", f"/CN={INTAKE_NAME}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    class Front(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((LOOPBACK, port)) as behind,
                context.wrap_socket(self.request, server_side=True) as client,
            ):
                back = threading.Thread(target=_pass_on, args=(behind, client), daemon=True)
                back.start()
                _pass_on(client, behind)
                back.join()

    server = socketserver.ThreadingTCPServer((LOOPBACK, 0), Front)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def _drive(script: str, what: Mapping[str, Any], folder: Path) -> str:
    job = folder / f"{script}.json"
    job.write_text(json.dumps({"chromium": CHROMIUM, **what}))
    command = ["node", str(HERE / f"{script}.mjs"), str(job)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@contextmanager
def _site() -> Iterator[str]:
    """The shop's own server: its pages, the SDKs, and one price."""
    _bundle_sentry()
    server = ThreadingHTTPServer((LOOPBACK, 0), partial(_Pages, directory=str(HERE / "site")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bundle_sentry() -> None:
    """All of it in one script, as the global `Sentry`, as a site's own build would."""
    source = _SDKS["sentry"] / "entry.js"
    source.parent.mkdir(exist_ok=True)
    source.write_text("export * from '@sentry/browser';")
    how = ("--bundle", "--minify", "--format=iife", "--global-name=Sentry", "--log-level=error")
    bundle = source.with_name("sentry.js")
    subprocess.run([str(_MODULES / ".bin" / "esbuild"), str(source), *how, f"--outfile={bundle}"], check=True)


class _Pages(SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - as the base class declares it
        **SimpleHTTPRequestHandler.extensions_map,
        ".cjs": "text/javascript",
    }

    def translate_path(self, path: str) -> str:
        parts = path.partition("?")[0].strip("/").split("/")
        if parts[0] == "sdk" and parts[1] in _SDKS:
            return str(_SDKS[parts[1]].joinpath(*parts[2:]))
        return super().translate_path(path)

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/").removesuffix(".html")
        if name in SNIPPETS:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(_snippet_page(SNIPPETS[name]))
            return
        if self.path.startswith("/price.json"):
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"price": 12}')
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nobody reads it."""
