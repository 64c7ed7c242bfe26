"""Model descriptions that an installed Ultralytics ships, listed and exported by its own Python."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.text import printable

LIST = (
    "import pathlib, ultralytics as u; p = pathlib.Path(u.__file__).parent / 'cfg' / 'models'; "
    "print(u.__version__); print('\\n'.join(sorted(f.name for f in p.rglob('*.yaml'))))"
)
EXPORTER = Path(__file__).with_name("export_model.py")
LIST_TIMEOUT_S, EXPORT_TIMEOUT_S = 300, 3600
LAST_LINE = 300  # characters of an exporter's error that are kept


@dataclass(frozen=True, slots=True)
class Shipped:
    """The version of the package, and the names of its descriptions."""

    version: str
    names: tuple[str, ...]


def shipped_descriptions(python: Path) -> Shipped:
    """List what the Ultralytics of `python` ships; raises EdgekitError where it has none."""
    done = subprocess.run(
        [str(python), "-c", LIST], capture_output=True, text=True, timeout=LIST_TIMEOUT_S, check=False
    )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    names = tuple(line for line in lines if line.endswith(".yaml"))
    if done.returncode or not names:
        raise EdgekitError(
            f"{python} lists no model descriptions ({printable(_last_line(done.stderr), LAST_LINE)})",
            hint="give the Python of an environment that has Ultralytics installed: --python PATH",
        )
    return Shipped(lines[lines.index(names[0]) - 1], names)


def scaled(names: tuple[str, ...], scales: str) -> tuple[str, ...]:
    """The names with a size letter where the family has sizes.

    A name without one is the smallest; "n" leaves it so. yolov8-seg.yaml at "s" is yolov8s-seg.yaml, which the package
    finds by itself.
    """
    letters = [letter for letter in scales.split(",") if letter]
    result = []
    for name in names:
        family, _, rest = name.removesuffix(".yaml").partition("-")
        sized = family[-1].isdigit() and not name.startswith(("yoloe", "rtdetr", "yolov3", "yolov10", "yolov9"))
        for letter in letters if sized else letters[:1]:
            stem = family if letter == "n" or not sized else family + letter
            result.append("-".join(filter(None, (stem, rest))) + ".yaml")
    return tuple(dict.fromkeys(result))


def export_description(python: Path, name: str, output: Path, *, size: int) -> str:
    """Export one description to `output`; returns why it could not be, or ""."""
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), str(EXPORTER), name, str(output.absolute()), "--size", str(size)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=output.parent, timeout=EXPORT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the export took more than {EXPORT_TIMEOUT_S} s"
    return "" if output.is_file() else printable(_last_line(done.stderr or done.stdout), LAST_LINE) or "no file"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or "Unsupported" in line]
    return (errors or lines or [""])[-1]
