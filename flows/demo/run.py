"""The demo: embedded broker and S3 server, the samples through Kafka, the streaming job, and a look at the lake."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flows.captures import CaptureCounts, read_captures
from flows.demo.feed import Fed, feed
from flows.demo.servers import Broker, S3Server, start_broker, start_s3
from lake.catalog import session_keys
from schemas.errors import ReplayLakeError
from sinks.s3 import S3Store
from sinks.store import LocalStore, ObjectStore

TOPIC = "rum"
_PARTITIONS = 4
_DEADLINE_SECONDS = 300.0  # of a busy machine
_AGE_MS = 20 * 60_000  # older than the 15 min after which a silent session closes
_SAMPLES = Path(__file__).parent.parent.parent / "samples"


class DemoFailed(ReplayLakeError):
    """A step of the demo did not do what it should."""


def sample_files() -> list[Path]:
    """The recordings that come with the project."""
    packaged = Path(__file__).parent.parent / "samples"
    return sorted((_SAMPLES if _SAMPLES.is_dir() else packaged).glob("*/*.jsonl.gz"))


def run_demo(folder: Path) -> None:
    """Run all steps; leaves a copy of the lake in `folder`."""
    with tempfile.TemporaryDirectory(prefix="replaylake-demo-") as work:
        print("Starting a Kafka-compatible broker and an S3 server on this machine ...")
        with start_broker() as broker, start_s3(Path(work) / "s3", ["lake"]) as s3:
            print(f"  broker {broker.bootstrap}, S3 {s3.endpoint_url}")
            broker.create_topic(TOPIC, _PARTITIONS)
            fed = _feed_samples(broker)
            store = S3Store("s3://lake/demo", s3.storage_options())
            _run_job(broker, s3, store, fed, Path(work) / "recovery")
            _copy(store, folder)
    _look(folder)


def _feed_samples(broker: Broker) -> Fed:
    files = sample_files()
    if not files:
        raise DemoFailed("no sample recordings found")
    fed = feed(broker.bootstrap, TOPIC, files, shift_ms=_shift_ms(files))
    print(f"Sent {len(files)} recordings of real browsers: {fed.messages:,} messages, {fed.bytes / 1e6:.1f} MB")
    return fed


def _shift_ms(files: list[Path]) -> int:
    """Recordings made in this machine's future (its clock is behind, or theirs was simulated) are moved to the past."""
    newest_ms = max(captured.message.received_ms for captured in read_captures(files, CaptureCounts()))
    return min(0, int(time.time() * 1000) - _AGE_MS - newest_ms)


def _run_job(broker: Broker, s3: S3Server, store: ObjectStore, fed: Fed, recovery: Path) -> None:
    environment = os.environ | {
        "REPLAYLAKE_LAKE": "s3://lake/demo",
        "REPLAYLAKE_S3__ENDPOINT_URL": s3.endpoint_url,
        "REPLAYLAKE_S3__KEY": s3.access_key,
        "REPLAYLAKE_S3__SECRET": s3.secret_key,
        "REPLAYLAKE_KAFKA__BOOTSTRAP": broker.bootstrap,
        "REPLAYLAKE_KAFKA__TOPICS": f'["{TOPIC}"]',
        "REPLAYLAKE_RUN__RECOVERY_DIR": str(recovery),
        "REPLAYLAKE_RUN__EPOCH_SECONDS": "1",
    }
    print("Running the streaming job (replaylake run) with recovery ...")
    started = time.monotonic()
    job = subprocess.Popen([sys.executable, "-m", "flows.cli", "run"], env=environment)
    try:
        while (found := _session_count(store)) < len(fed.sessions):
            if job.poll() is not None:
                raise DemoFailed(f"the job ended with exit code {job.returncode}")
            if time.monotonic() - started > _DEADLINE_SECONDS:
                raise DemoFailed(
                    f"{found} of {len(fed.sessions)} sessions after {_DEADLINE_SECONDS:.0f} s; "
                    "usually they take 20 s: is this machine busy?"
                )
            time.sleep(0.5)
        print(f"  {found} sessions closed after {time.monotonic() - started:.1f} s; stopping the job")
        job.send_signal(signal.SIGTERM)
        code = job.wait(timeout=30)
        if code != 0:
            raise DemoFailed(f"the job ended with exit code {code} after SIGTERM")
    finally:
        if job.poll() is None:
            job.kill()


def _session_count(store: ObjectStore) -> int:
    return len(session_keys(store))


def _copy(store: ObjectStore, folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    target = LocalStore(folder)
    for prefix in ("tables/", "replays/"):
        for found in store.list(prefix):
            target.put({found.key: store.read(found.key)})
    print(f"Copied the lake from S3 to {folder}/\n")


def serve_demo(folder: Path) -> None:
    """The demo's lake in the browser, until stopped."""
    command = [sys.executable, "-m", "flows.cli", "serve", "--lake", str(folder)]
    raise SystemExit(subprocess.run(command, check=False).returncode)


def _look(folder: Path) -> None:
    command = [sys.executable, "-m", "flows.cli"]
    subprocess.run([*command, "sessions", "--lake", str(folder)], check=True)
    subprocess.run([*command, "verify", "--lake", str(folder)], check=True)
    query = (
        f"select session_first_view_path, count(*) n, max(session_error_count) errors "
        f"from read_parquet('{folder}/tables/sessions/**/*.parquet') group by 1 order by 2 desc"
    )
    programs = _programs()
    print(
        f"""
Look further:
  {programs}/replaylake serve --lake {folder}      # sessions and replays in the browser
  {programs}/replaylake show 230f3e7c-e9ea-4e57-bc6f-239f4fb9cdeb --lake {folder}
  {programs}/replaylake export 230f3e7c-e9ea-4e57-bc6f-239f4fb9cdeb --lake {folder} > replay.json
  {programs}/python -c "import duckdb; duckdb.sql(\\"{query}\\").show()"
"""
    )


def _programs() -> Path:
    """The folder of this environment's programs, as a person here would write it."""
    folder = Path(sys.executable).parent
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
