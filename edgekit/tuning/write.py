"""The work folder that tuning ends with: prepared ONNX, calibration data, yaml and manifest, for any compiler."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.artifacts import MANIFEST_NAME
from edgekit.files import atomic_path, sha256_file, write_json
from edgekit.next_command import edgekit_command
from edgekit.ptq import PtqConfig, load_config, save_config
from edgekit.ptq.presets import CALIBRATION_DIR, reasons
from edgekit.records import envelope
from edgekit.sim.compiler.mixed_precision import node_info_for
from edgekit.spec import file_ref, load_spec, save_spec, sidecar_path
from edgekit.tuning.builds import candidate_model, effective_clip_ranges
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.workspace import Workspace
from edgekit.version import __version__

if TYPE_CHECKING:
    import onnx

__all__ = ["write_tuned"]

REASON_OF_NODES = "measured by edgekit tune: the layers whose int8 costs the outputs most, in int16"


def write_tuned(
    workspace: Workspace, candidate: Candidate, folder: Path, provenance: Mapping[str, Any] | None = None
) -> Path:
    """Write the work folder of a candidate; the manifest comes last.

    Args:
        workspace: The tuning folder.
        candidate: What to write.
        folder: Where; its files are replaced.
        provenance: What else the manifest says: plain JSON values.

    Returns:
        The yaml.
    """
    source = workspace.yaml(candidate.calibration_set)
    config = _tuned_config(workspace, candidate, load_config(source))
    model = folder / Path(config.model_parameters.onnx_model).name
    original = source.parent / model.name
    with atomic_path(model) as temporary:
        _save(_tuned_model(workspace, candidate), temporary)
    spec = load_spec(sidecar_path(original))
    save_spec(sidecar_path(model), replace(spec, files={**spec.files, "model": file_ref(model)}))
    data = _link_data(source.parent / CALIBRATION_DIR, folder / CALIBRATION_DIR)
    yaml = folder / source.name
    header = f"Made by edgekit tune {__version__}; next: {edgekit_command('compile', Path(yaml.name))}"
    save_config(yaml, config, header=header, comments={**reasons(config), "node_info": REASON_OF_NODES})
    files = [model, sidecar_path(model), yaml, *data]
    rows = [{"name": path.relative_to(folder).as_posix(), "sha256": sha256_file(path)} for path in files]
    about = {**envelope("tuned"), "candidate": candidate.to_json(), **(provenance or {})}
    write_json(folder / MANIFEST_NAME, {**about, "files": rows})
    return yaml


def _tuned_config(workspace: Workspace, candidate: Candidate, config: PtqConfig) -> PtqConfig:
    """Return `config` with the candidate's calibrator and int16 nodes."""
    graph = candidate_model(workspace, candidate).graph
    nodes = node_info_for(graph, candidate.int16) if candidate.int16 else None
    return replace(
        config,
        model_parameters=replace(config.model_parameters, node_info=nodes),
        calibration_parameters=replace(config.calibration_parameters, **candidate.calibrator.yaml_fields()),
    )


def _tuned_model(workspace: Workspace, candidate: Candidate) -> onnx.ModelProto:
    """Return the candidate's float graph with its clip ranges as Clips, which the compilers absorb."""
    import onnx

    from edgekit.folding.clip import clip_outputs

    prepared = candidate_model(workspace, candidate)
    model = onnx.load(prepared.job.onnx_path)
    clip_ranges = effective_clip_ranges(candidate, prepared)
    return clip_outputs(model, clip_ranges) if clip_ranges else model


def _save(model: onnx.ModelProto, path: Path) -> None:
    import onnx

    onnx.save(model, str(path))


def _link_data(source: Path, target: Path) -> list[Path]:
    """Link the set's files, or copy them if the file system has no links: nobody writes to them."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    paths = []
    for path in sorted(source.iterdir()):
        copy = target / path.name
        try:
            os.link(path, copy)
        except OSError:
            shutil.copyfile(path, copy)
        paths.append(copy)
    return paths
