#!/usr/bin/env python3
"""The version: pyproject.toml says it, files that must repeat it follow. Needs nothing but Python.

.ci/version.py                    what it is
.ci/version.py 0.2.0              the next one: everywhere, and the changelog's unreleased lines under it
.ci/version.py --check 0.2.0      exit code 1 unless this is the version everywhere, with lines in the changelog
.ci/version.py --notes            these lines
"""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ("pyproject.toml", re.compile(r'^version = "([^"]+)"$', re.MULTILINE))
FOLLOWERS = [
    ("uv.lock", re.compile(r'^name = "replaylake"\nversion = "([^"]+)"$', re.MULTILINE)),
    ("docker/Dockerfile", re.compile(r"-t replaylake:(\S+)")),
    ("docker/compose.yaml", re.compile(r"image: replaylake:(\S+)")),
    ("docker/kubernetes/kustomization.yaml", re.compile(r"newTag: (\S+)")),
    ("docs/deploy.md", re.compile(r"\breplaylake:(\d[\w.]*)")),
]
CHANGELOG = "CHANGELOG.md"
UNRELEASED = "## Unreleased\n"
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def version(root: Path) -> str:
    """What pyproject.toml says."""
    name, pattern = SOURCE
    found = pattern.search((root / name).read_text(encoding="utf-8"))
    assert found is not None, f"no version in {name}"
    return found[1]


def faults(root: Path) -> list[str]:
    """Places that say another version, or none."""
    wanted, found = version(root), []
    for name, pattern in FOLLOWERS:
        said = pattern.findall((root / name).read_text(encoding="utf-8"))
        if set(said) != {wanted}:
            found.append(f"{name} says {', '.join(said) or 'no version'}, {SOURCE[0]} says {wanted}")
    return found


def notes(root: Path) -> str:
    """What the changelog says of this version; "" when nothing."""
    text = (root / CHANGELOG).read_text(encoding="utf-8")
    _, head, rest = text.partition(f"\n## {version(root)} - ")
    return rest.partition("\n")[2].partition("\n## ")[0].strip() if head else ""


def change(root: Path, wanted: str, day: str) -> None:
    """Write a version everywhere, and move the changelog's unreleased lines under it."""
    for name, pattern in [SOURCE, *FOLLOWERS]:
        path = root / name
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(lambda match: match[0].replace(match[1], wanted), text), encoding="utf-8")
    changelog = root / CHANGELOG
    text = changelog.read_text(encoding="utf-8")
    assert UNRELEASED in text, f"{CHANGELOG} has no unreleased lines"
    changelog.write_text(text.replace(UNRELEASED, f"{UNRELEASED}\n## {wanted} - {day}\n", 1), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Exit code."""
    if not arguments:
        print(version(ROOT))
    elif arguments == ["--notes"]:
        print(notes(ROOT))
    elif arguments[0] == "--check":
        found = faults(ROOT)
        if version(ROOT) != arguments[1]:
            found.append(f"{SOURCE[0]} says {version(ROOT)}, asked for {arguments[1]}")
        if not notes(ROOT):
            found.append(f"{CHANGELOG} says nothing about {version(ROOT)}")
        print("\n".join(found), file=sys.stderr)
        return int(bool(found))
    elif VERSION.fullmatch(arguments[0]):
        change(ROOT, arguments[0], datetime.now(UTC).date().isoformat())
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
