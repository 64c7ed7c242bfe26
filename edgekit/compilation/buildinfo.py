"""buildinfo.json beside a build: what went in, what came out, so that unchanged work is reused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import DataError, ModelError
from edgekit.files import is_file, read_json, sha256_file, write_json
from edgekit.records import check_envelope, envelope, from_json, to_json
from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob

BUILDINFO_NAME = "buildinfo.json"
KIND = "buildinfo"  # of its schema


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """`inputs` and `outputs` map plain names to SHA-256; `parts` says which file is what ("bin", "log", ...)."""

    toolchain: str
    inputs: Mapping[str, str]
    parts: Mapping[str, str]
    outputs: Mapping[str, str]
    output_cosines: Mapping[str, float] = field(default_factory=dict)
    node_cosines: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)  # commands, versions, seconds, as the compiler says them


def job_fingerprint(job: CompileJob, toolchain: str, tool_version: str) -> dict[str, str]:
    """The SHA-256 (or version) of everything that decides the result of `job`."""
    calibration = hashlib.sha256()
    for path in (path for item in job.inputs for path in item.calibration_files):
        calibration.update(f"{path.name} {sha256_file(path)}\n".encode())
    return {
        "edgekit": __version__,
        toolchain: tool_version,
        "yaml": sha256_file(job.yaml_path),
        "onnx": sha256_file(job.onnx_path),
        "sidecar": sha256_file(job.onnx_path.with_suffix(".json")),
        "calibration": calibration.hexdigest(),
        "optimize_level": job.optimize_level,
    }


def read_buildinfo(folder: Path) -> BuildInfo | None:
    """The record of `folder`, or None where there is none that can be read."""
    path = folder / BUILDINFO_NAME
    if not is_file(path):
        return None
    try:
        info = from_json(BuildInfo, check_envelope(read_json(path), KIND, str(path)), str(path))
        return info if set(info.parts.values()) <= set(info.outputs) else None
    except (DataError, ModelError):
        return None  # a foreign, damaged or old record: build again


def write_buildinfo(folder: Path, info: BuildInfo) -> None:
    """Write the record, whole or not at all."""
    write_json(folder / BUILDINFO_NAME, {**envelope(KIND), **to_json(info)})


def still_valid(folder: Path, info: BuildInfo | None, inputs: Mapping[str, str]) -> bool:
    """Return whether `info` was made from `inputs` and every file it names is untouched."""
    if info is None or dict(info.inputs) != dict(inputs):
        return False
    try:
        return all(sha256_file(folder / Path(name).name) == digest for name, digest in info.outputs.items())
    except OSError:
        return False
