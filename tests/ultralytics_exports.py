"""Exports that Ultralytics writes, in a process of its own: EDGEKIT_ULTRALYTICS_PYTHON names its interpreter."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.conftest import ROOT

EXPORTER = ROOT / "tools" / "census_steps" / "export_model.py"
PYTHON = os.environ.get("EDGEKIT_ULTRALYTICS_PYTHON", "")
DEFAULTS: Mapping[str, str] = MappingProxyType({})


def ultralytics_export(
    folder: Path, description: str, *, size: int = 320, options: Mapping[str, str] = DEFAULTS
) -> Path:
    """Export a description with random, lively weights, the same each time; skips without Ultralytics.

    options: Of the export, such as {"dynamic": "True"}.
    """
    if not PYTHON:
        pytest.skip("EDGEKIT_ULTRALYTICS_PYTHON names no interpreter with Ultralytics")
    path = folder / f"{description}.onnx"
    command = [PYTHON, str(EXPORTER), f"{description}.yaml", str(path), "--size", str(size)]
    for key, value in options.items():
        command += ["--set", f"{key}={value}"]
    settings = {**os.environ, "YOLO_CONFIG_DIR": str(folder), "YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=False, timeout=1800)
    assert path.is_file(), done.stderr[-2000:]
    return path
