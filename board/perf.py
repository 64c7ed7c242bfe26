#!/usr/bin/env python3
"""Measures a model on this board: the same as `edgekit perf`, compared with the figures beside this script."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: our threads are the frames'
sys.path.insert(0, str(HERE / "runtime"))  # where install.sh puts it

from edgekit.cli.main import main  # noqa: E402

if __name__ == "__main__":
    raise SystemExit(main(["perf", "--reference", str(HERE / "reference"), *sys.argv[1:]]))
