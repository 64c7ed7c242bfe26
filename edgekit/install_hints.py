"""What to type to get what is missing: lines that are right for how this edgekit was installed.

The package index has a project called `edgekit` that is another one's, so no line names it there: a checkout installs
from itself, and an installed edgekit names the packages that its own metadata asks for.
"""

from __future__ import annotations

import functools
import os
import re
from importlib import metadata
from pathlib import Path

__all__ = ["DISTRIBUTION", "UNRELATED_DISTRIBUTION", "extra_hint", "reinstall_hint"]

DISTRIBUTION = "edgekit-rdk"
UNRELATED_DISTRIBUTION = "edgekit"  # another project's on the index
SUMMARY = "From a stock YOLO ONNX"  # what our own summary begins with
CHECKOUT = Path(__file__).resolve().parents[1]


def extra_hint(extra: str) -> str:
    """Return the line that installs what one of edgekit's extras needs, e.g. "host"."""
    if _is_checkout(CHECKOUT):
        return f'pip install -e "{_folder()}[{extra}]"'
    packages = extra_packages(extra)
    if packages:
        return f"pip install {' '.join(packages)}"
    return f"install edgekit with [{extra}]: from a checkout, or from the wheel that it came in"


def reinstall_hint() -> str:
    """Return the line that installs this edgekit again."""
    if _is_checkout(CHECKOUT):
        return f'pip install -e "{_folder()}"'
    return "install edgekit again from the wheel that it came in: pip install --force-reinstall WHEEL"


@functools.cache
def extra_packages(extra: str) -> tuple[str, ...]:
    """Return the packages that an extra names in the metadata of the installed edgekit, quoted for a shell."""
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # the board's runtime, unpacked beside its scripts
        return ()
    ending = re.compile(rf"""extra\s*==\s*["']{re.escape(extra)}["']""")
    named = (line.partition(";")[0].strip() for line in requirements if ending.search(line))
    return tuple(f"'{name}'" if re.search(r"[<>=!~ ]", name) else name for name in named)


def unrelated_distribution() -> str:
    """Return the version of another project's `edgekit` that is installed here, or ""."""
    try:
        foreign = metadata.distribution(UNRELATED_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return ""
    summary = str(foreign.metadata["Summary"] or "")
    return "" if summary.startswith(SUMMARY) else foreign.version  # that one is ours, before it had its own name


def _is_checkout(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file() and (folder / "setup.py").is_file()


def _folder() -> str:
    """Return the checkout as a user types it: "." in it."""
    relative = os.path.relpath(CHECKOUT) if CHECKOUT.drive == Path.cwd().drive else str(CHECKOUT)
    return relative if len(relative) < len(str(CHECKOUT)) else str(CHECKOUT)
