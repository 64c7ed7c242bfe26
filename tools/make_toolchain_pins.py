"""Writes the versions and hashes that `edgekit toolchain install` insists on, from an environment that works.

    edgekit toolchain install --yes      # or an environment made by hand, that `make test-toolchain` passes in
    python tools/make_toolchain_pins.py ~/.local/share/edgekit/toolchain/rdkx5-1.0.0/venv/bin/python

It asks that environment's pip which wheel it would take for each installed version, and downloads what pip needs
for the answer. Nothing is installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "edgekit" / "compile" / "toolchain" / "requirements.txt"
HEAD = "# The private toolchain's packages for CPython 3.10 on x86-64 Linux; made by tools/make_toolchain_pins.py.\n"


def main(python: str) -> int:
    """Write requirements.txt; returns 0."""
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    frozen = subprocess.run([*pip, "freeze", "--all"], capture_output=True, text=True, check=True).stdout
    wheels = ("install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--quiet")
    command = [*pip, *wheels, "--report", "-", *frozen.split()]
    report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    rows = sorted((row["metadata"]["name"].lower().replace("_", "-"), row) for row in report["install"])
    TARGET.write_text(HEAD + "".join(_line(name, row) for name, row in rows))
    print(f"{TARGET.name}: {len(rows)} packages")
    return 0


def _line(name: str, row: dict[str, dict[str, dict[str, dict[str, str]]]]) -> str:
    digest = row["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{name}=={row['metadata']['version']} --hash=sha256:{digest}\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
