#!/usr/bin/env python3
"""What is in the wheel and what it needs, as CycloneDX 1.5 on standard output: uv's list, and the page's player.

uv.lock and the page's package-lock.json are the source, so the versions are those that were tested.
"""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE_LOCK = ROOT / "viewer" / "page" / "package-lock.json"


def python_part() -> dict[str, Any]:
    """Everything that `replaylake[demo,serve,sql]` installs, with hashes."""
    command = [str(Path(sys.executable).with_name("uv"))]
    command += ["export", "--format", "cyclonedx1.5", "--frozen", "--no-dev", "--all-extras", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def page_part() -> list[dict[str, Any]]:
    """The npm packages of which the player in the wheel is made."""
    packages = json.loads(PAGE_LOCK.read_text(encoding="utf-8"))["packages"]
    return [_component(path.rpartition("node_modules/")[2], package) for path, package in packages.items() if path]


def _component(name: str, package: dict[str, Any]) -> dict[str, Any]:
    algorithm, _, digest = package["integrity"].partition("-")
    purl = f"pkg:npm/{name.replace('@', '%40', 1)}@{package['version']}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": package["version"],
        "purl": purl,
        "hashes": [{"alg": f"SHA-{algorithm.removeprefix('sha')}", "content": base64.b64decode(digest).hex()}],
        "licenses": [{"license": {"id": package["license"]}}],
    }


def main() -> None:
    """Print it."""
    whole = python_part()
    whole["components"] += page_part()
    json.dump(whole, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
