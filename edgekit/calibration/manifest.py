"""manifest.json: what a calibration set was made from, by what, with which arguments."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgekit.calibration.checks import Warned
from edgekit.calibration.select import Selection
from edgekit.calibration.workdir import selection_to_dict, warned_to_dict
from edgekit.calibration.write import Planned
from edgekit.files import sha256_file
from edgekit.records import envelope
from edgekit.spec import InputSpec, Preprocess
from edgekit.version import __version__


def build_manifest(
    *,
    request: Mapping[str, Any],
    selection: Selection,
    warnings: tuple[Warned, ...],
    notes: Sequence[str],
    folder: Path,
    models: Sequence[str],
    data_dir: str,
    planned: Sequence[Planned],
    hashes: Mapping[str, str],
    input_spec: InputSpec,
    preprocess: Preprocess,
) -> dict[str, Any]:
    """The manifest; `files` has every file of the work folder with its SHA-256, relative to the folder.

    `models` are the names of the model, its sidecar and the yaml; `hashes` are those of `planned`.
    """
    sources = {path: sha256_file(path) for path in dict.fromkeys(p.image.path for p in planned)}
    entries: list[dict[str, Any]] = [{"name": name, "sha256": sha256_file(folder / name)} for name in models]
    for plan in planned:
        entry = {
            "name": f"{data_dir}/{plan.name}",
            "sha256": hashes[plan.name],
            "source": plan.image.name,
            "source_sha256": sources[plan.image.path],
        }
        entries.append(entry if plan.image.frame < 0 else {**entry, "frame": plan.image.frame})
    return {
        **envelope("manifest"),
        "request": dict(request),
        "preprocess": {
            "letterbox_wh": list(preprocess.size_wh),
            "pad_value": preprocess.pad_value,
            "interpolation": preprocess.interpolation,
            "colour": input_spec.kind,
            "layout": "NCHW",
            "dtype": "float32",
            "values": "0..255, normalised by the yaml",
        },
        "files": entries,
        "warnings": warned_to_dict(warnings),
        "notes": list(notes),
        "selection": selection_to_dict(selection),
        "versions": tool_versions(),
    }


def tool_versions() -> dict[str, str]:
    """Versions of everything that decides the bytes."""
    return {
        "edgekit": __version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in ("numpy", "onnx")},
        "opencv": _opencv_version(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _opencv_version() -> str:
    import cv2  # by import: its package has several names

    return str(cv2.__version__)
