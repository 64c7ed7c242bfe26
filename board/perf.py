#!/usr/bin/env python3
"""Measures a model on this board: the same as `edgekit perf`, compared with the figures beside this script."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: our threads are the frames'

from edgekit.cli.main import main

if __name__ == "__main__":
    reference = Path(__file__).resolve().parent / "reference"
    raise SystemExit(main(["perf", "--reference", str(reference), *sys.argv[1:]]))
