"""`python -m bench`: the whole flow beside a plain consume-and-decode loop over the same topic, in one run.

Both sides read the same messages from the same broker in a process of their own, and are charged the CPU time of that
process, threads included. The flow does everything: windows, recovery, packs, tables and blobs on local disk.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.load import send
from flows.servers import start_broker

TOPIC = "bench"
BASELINE, FLOW = "consume-and-decode", "flow"


def measure(name: str, bootstrap: str, count: int) -> dict[str, float]:
    """Run one side in a fresh process; wall and CPU seconds of its work."""
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "bench.sides", name, bootstrap, TOPIC, str(count), work]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if result["items"] != count:
        raise SystemExit(f"{name}: {result['items']} of {count} lines")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--lines", type=int, default=60_000)
    parser.add_argument("--sessions", type=int, default=1_500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {BASELINE: [], FLOW: []}
    with start_broker() as broker:
        broker.create_topic(TOPIC, 1)
        started = time.monotonic()
        size = send(broker.bootstrap, TOPIC, lines=options.lines, sessions=options.sessions)
        print(f"{options.lines:,} lines of {size / options.lines:,.0f} B sent in {time.monotonic() - started:.1f} s")
        for _ in range(options.rounds):
            for name, rounds in results.items():
                rounds.append(measure(name, broker.bootstrap, options.lines))
    rates = {name: [options.lines / one["cpu"] for one in rounds] for name, rounds in results.items()}
    print(f"{platform.machine()}, Python {platform.python_version()}, {options.rounds} rounds, lines per CPU second")
    for name, found in rates.items():
        print(f"  {name:20} median {statistics.median(found):>9,.0f}   {min(found):,.0f} to {max(found):,.0f}")
    ratios = [flow / base for base, flow in zip(rates[BASELINE], rates[FLOW], strict=True)]
    print(f"  ratio flow/baseline  median {statistics.median(ratios):.3f}   {min(ratios):.3f} to {max(ratios):.3f}")
    summary = {"lines": options.lines, "rates": rates, "ratios": ratios}
    Path("bench-result.json").write_text(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
