"""A Python of aarch64 with numpy and cv2 in a folder: packages of Debian and wheels of PyPI, unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

VERSION = "3.11"  # Debian bookworm's; the board ring runs on 3.10 and later
PACKAGES = (
    f"python{VERSION}-minimal",
    f"libpython{VERSION}-minimal",
    f"libpython{VERSION}-stdlib",
    *(
        "libc6",
        "libgcc-s1",
        "libstdc++6",
        "zlib1g",
        "libexpat1",
        "libffi8",
        "libbz2-1.0",
        "liblzma5",
        "libssl3",
        "libuuid1",
    ),
)
WHEELS = ("numpy==1.26.4", "opencv-python-headless<4.12")  # as the board has them
SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main\n"
DONE = "complete"


def make_root(folder: Path) -> Path:
    """Return the folder, filled on the first call (100 MB from Debian and a package index)."""
    if not (folder / DONE).is_file():
        _unpack_packages(folder)
        _unpack_wheels(folder)
        (folder / DONE).touch()
    return folder


def guest_command(root: Path, plugin: Path) -> list[str]:
    """Return the command that runs the Python below QEMU with a plugin."""
    return ["qemu-aarch64", "-L", str(root), "-plugin", str(plugin), str(root / f"usr/bin/python{VERSION}"), "-S"]


def guest_environment(root: Path, *packages: Path) -> dict[str, str]:
    """Return the environment of that Python, with folders of packages in front of its own."""
    paths = os.pathsep.join(map(str, (*packages, root / "site")))
    return {**os.environ, "PYTHONHASHSEED": "0", "PYTHONHOME": str(root / "usr"), "PYTHONPATH": paths}


def build_package(tree: Path, folder: Path) -> None:
    """Unpack the wheel of a tree, its kernels cross-built for aarch64, into a folder."""
    environment = {"CC": "aarch64-linux-gnu-gcc", "EDGEKIT_REQUIRE_KERNELS": "1"}
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", str(tree), "--no-deps", "--wheel-dir", str(folder)]
    _run(pip, environment)
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)


def _unpack_packages(folder: Path) -> None:
    state = folder / "apt"
    for name in ("lists/partial", "archives/partial", "debs"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text(SOURCE)
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "-",
    }
    (state / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in options.items()))
    environment = {"APT_CONFIG": str(state / "apt.conf")}
    _run(["apt-get", "-qq", "update"], environment)
    _run(["apt-get", "-qq", "download", *PACKAGES], environment, state / "debs")
    for package in sorted((state / "debs").glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(folder)])


def _unpack_wheels(folder: Path) -> None:
    target = ("--platform", "manylinux2014_aarch64", "--python-version", VERSION, "--only-binary", ":all:", "--no-deps")
    _run([sys.executable, "-m", "pip", "download", "--quiet", *target, "--dest", str(folder / "wheels"), *WHEELS])
    for wheel in sorted((folder / "wheels").glob("*.whl")):
        zipfile.ZipFile(wheel).extractall(folder / "site")


def _run(command: list[str], environment: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
    subprocess.run(command, env={**os.environ, **(environment or {})}, cwd=folder, check=True, stdout=sys.stderr)
