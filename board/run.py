#!/usr/bin/env python3
"""Runs a model on this board: the same as `edgekit run`, with one BLAS thread so that threads do not fight."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported
sys.path.insert(0, str(Path(__file__).resolve().parent / "runtime"))  # where install.sh puts it

from edgekit.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main(["run", *sys.argv[1:]]))
