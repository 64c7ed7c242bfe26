"""Other float graphs of a workspace: what is folded into the ONNX, beside the plain one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgekit.files import atomic_path
from edgekit.folding.bias import add_to_biases
from edgekit.folding.bias_correction import corrected_model
from edgekit.folding.equalize import equalize
from edgekit.folding.rounding import rounded_model
from edgekit.learn.learned_model import blended
from edgekit.progress import Progress, silent
from edgekit.tuning.builds import candidate_model
from edgekit.tuning.candidate import PLAIN, Candidate
from edgekit.tuning.workspace import Workspace

__all__ = ["write_biased", "write_blend", "write_corrected", "write_equalized", "write_rounded"]


def write_equalized(workspace: Workspace, calibration_set: str, name: str) -> tuple[str, ...]:
    """Write the cross-layer equalized float graph beside the plain one.

    Args:
        workspace: The tuning folder.
        calibration_set: Any set: all have the same plain graph.
        name: Of the new graph.

    Returns:
        The equalized tensors; if there is none, nothing is written.
    """
    model, changed = equalize(onnx.load(workspace.model(calibration_set, PLAIN).job.onnx_path))
    if changed:
        _write(model, workspace.graph_path(name))
    return tuple(equalized.tensor for equalized in changed)


def write_corrected(workspace: Workspace, candidate: Candidate, name: str, *, progress: Progress = silent) -> int:
    """Write a candidate's float graph with the mean shift of its int8 weights corrected.

    Convolutions whose output stays at accumulator width are corrected, too; those with weights on an int8 grid already
    shift nothing.

    Args:
        workspace: The tuning folder.
        candidate: Its graph and calibration set are used.
        name: Of the new graph.
        progress: Called per calibration image.

    Returns:
        Number of corrected convolutions; if there is none, nothing is written.
    """
    return _write_changed(workspace, name, corrected_model(candidate_model(workspace, candidate), progress=progress))


def write_rounded(workspace: Workspace, candidate: Candidate, name: str, *, progress: Progress = silent) -> int:
    """Write a candidate's float graph with weights rounded to their int8 grids with error compensation.

    Args:
        workspace: The tuning folder.
        candidate: Its graph and calibration set are used.
        name: Of the new graph.
        progress: Called per calibration image and convolution.

    Returns:
        Number of rounded convolutions; if there is none, nothing is written.
    """
    return _write_changed(workspace, name, rounded_model(candidate_model(workspace, candidate), progress=progress))


def write_biased(workspace: Workspace, candidate: Candidate, shifts: Mapping[str, Any], name: str) -> None:
    """Write a candidate's float graph with shifts of the outputs added to the biases of the head convolutions.

    Args:
        workspace: The tuning folder.
        candidate: Its graph is used.
        shifts: Output -> one number per channel.
        name: Of the new graph.
    """
    prepared = candidate_model(workspace, candidate)
    convolutions = {node.output for node in prepared.graph.nodes if node.op in ("Conv", "ConvTranspose")}
    tensors = {prepared.graph.outputs[output]: np.asarray(values) for output, values in shifts.items()}
    model = onnx.load(prepared.job.onnx_path)
    shifted = add_to_biases(model, {tensor: shift for tensor, shift in tensors.items() if tensor in convolutions})
    _write(shifted, workspace.graph_path(name))


def write_blend(workspace: Workspace, calibration_set: str, graph: str, share: float, name: str) -> None:
    """Write a float graph whose weights and biases go a share of the way to those of a learned one.

    Args:
        workspace: The tuning folder.
        calibration_set: Any set: all have the same plain graph.
        graph: The learned graph.
        share: In 0..1.
        name: Of the new graph.
    """
    original = onnx.load(workspace.model(calibration_set, PLAIN).job.onnx_path)
    _write(blended(original, onnx.load(workspace.graph_path(graph)), share), workspace.graph_path(name))


def _write_changed(workspace: Workspace, name: str, changed: tuple[onnx.ModelProto, int]) -> int:
    """Write a graph in which some convolutions changed; returns their number."""
    model, count = changed
    if count:
        _write(model, workspace.graph_path(name))
    return count


def _write(model: onnx.ModelProto, path: Path) -> None:
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))
