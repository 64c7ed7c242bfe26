"""Writes `ptq_yamls/` from the presets in the code, which are their one home; a test compares the two."""

from __future__ import annotations

from pathlib import Path

from edgekit.files import write_text
from edgekit.ptq.presets import PRESETS

FOLDER = Path(__file__).resolve().parent.parent / "ptq_yamls"


def main() -> None:
    for stale in FOLDER.glob("*.yaml"):
        if stale.name not in PRESETS:
            stale.unlink()
    for name, preset in PRESETS.items():
        write_text(FOLDER / name, preset.text())


if __name__ == "__main__":
    main()
