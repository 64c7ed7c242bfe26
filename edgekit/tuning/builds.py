"""The integer graph of a candidate, as the simulated compiler would build it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from edgekit.folding.clip_bounds import clipped_thresholds, positive_bounds
from edgekit.graph.attention import attention_sums
from edgekit.sim.compiler.calibration.declared import declared_thresholds
from edgekit.sim.compiler.calibration.search import Thresholds, thresholds_by
from edgekit.sim.compiler.calibration.thresholds import percentile_threshold, threshold_rule
from edgekit.sim.compiler.prepared_model import INT16_MARCHES, PreparedModel
from edgekit.sim.compiler.quantize import QuantizedGraph
from edgekit.sim.compiler.scales import ScalePlan, plan_scales
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.workspace import Workspace

if TYPE_CHECKING:
    from edgekit.runtime.session import Session

__all__ = [
    "bounds_above",
    "candidate_model",
    "candidate_session",
    "candidate_thresholds",
    "clip_thresholds",
    "clippable_tensors",
    "effective_clip_ranges",
    "quantized_candidate",
    "tensor_percentile",
    "thresholds_of",
]


def candidate_model(workspace: Workspace, candidate: Candidate) -> PreparedModel:
    """Return the float graph of a candidate in int8 throughout.

    Args:
        workspace: Where its calibration set and graph lie.
        candidate: The candidate.

    Returns:
        The prepared model.
    """
    return workspace.model(candidate.calibration_set, candidate.graph)


def thresholds_of(workspace: Workspace, candidate: Candidate) -> Thresholds:
    """Return the thresholds of a candidate's build without its clip ranges; those that the model declares stand.

    Args:
        workspace: Where its calibration set and graph lie.
        candidate: The candidate.

    Returns:
        Tensor with a scale of its own -> threshold.
    """
    model = candidate_model(workspace, candidate)
    plan = _scale_plan(model, candidate)
    histograms = workspace.histograms(candidate.calibration_set, candidate.graph)
    observed = {name: histograms[name] for name in plan.observed}
    chosen = thresholds_by(threshold_rule(candidate.calibrator), observed, plan)
    return chosen | declared_thresholds(model.graph.declared, plan)


def quantized_candidate(workspace: Workspace, candidate: Candidate) -> tuple[PreparedModel, QuantizedGraph]:
    """Return the integer graph of a candidate.

    Args:
        workspace: Where its calibration set and graph lie.
        candidate: The candidate.

    Returns:
        The prepared model with the candidate's bit widths, and its integer graph.
    """
    model, thresholds = candidate_thresholds(workspace, candidate)
    return model, model.quantized(thresholds)


def candidate_thresholds(workspace: Workspace, candidate: Candidate) -> tuple[PreparedModel, Thresholds]:
    """Return what the integer graph of a candidate is made of.

    Args:
        workspace: Where its calibration set and graph lie.
        candidate: The candidate.

    Returns:
        The prepared model with the candidate's bit widths, and its threshold per scale.
    """
    model = candidate_model(workspace, candidate)
    model = replace(model, plan=_scale_plan(model, candidate))
    thresholds = thresholds_of(workspace, candidate)
    return model, clip_thresholds(thresholds, effective_clip_ranges(candidate, model), model)


def candidate_session(workspace: Workspace, candidate: Candidate, *, threads: int) -> Session:
    """Open a candidate's build on the simulated device, all heads as floats.

    Args:
        workspace: Where its calibration set and graph lie.
        candidate: The candidate.
        threads: Threads that compute one image.

    Returns:
        The session.
    """
    from edgekit.runtime.session import Session
    from edgekit.sim.compiler.sidecars import quantized_spec
    from edgekit.sim.device import SimDevice
    from edgekit.sim.graph import load_graph

    model, quantized = quantized_candidate(workspace, candidate)
    device = SimDevice(load_graph(quantized.model.SerializeToString()), threads=threads)
    return Session(quantized_spec(model.job, model.graph, *model.inputs), device)


def effective_clip_ranges(candidate: Candidate, model: PreparedModel) -> dict[str, float]:
    """Return the candidate's clip ranges without those whose tensor and the table behind it are both in 16 bits.

    Args:
        candidate: The candidate.
        model: Its prepared model.

    Returns:
        Tensor -> bound.
    """
    int16, behind = set(candidate.int16), tables_behind(model)
    return {name: bound for name, bound in candidate.clip_ranges if not {name, behind.get(name, name)} <= int16}


def clip_thresholds(thresholds: Thresholds, clip_ranges: Mapping[str, float], model: PreparedModel) -> Thresholds:
    """Bring down the threshold of each clipped tensor, and of what a Clip there keeps from reaching further.

    Thresholds that the model declares stand, as they do when the model is compiled.

    Args:
        thresholds: Threshold per scale.
        clip_ranges: Tensor -> bound.
        model: The prepared model.

    Returns:
        New thresholds.
    """
    clipped = clipped_thresholds(thresholds, clip_ranges, model.graph, model.plan)
    return clipped | declared_thresholds(model.graph.declared, model.plan)


def clippable_tensors(model: PreparedModel) -> frozenset[str]:
    """Return the tensors that a Clip may bound without cost on the board.

    Args:
        model: A prepared model.

    Returns:
        Outputs of convolutions with a scale of their own that a table alone reads, but attention's sums, and those that
        the model declares a threshold for.
    """
    readers = model.graph.consumers()
    unclipped = declared_thresholds(model.graph.declared, model.plan).keys() | attention_sums(model.graph)
    return frozenset(
        node.output
        for node in model.graph.nodes
        if node.op == "Conv"
        and model.plan.source.get(node.output) == node.output
        and [reader.op for reader in readers.get(node.output, [])] == ["Table"]
        and node.output not in unclipped
    )


def tensor_percentile(workspace: Workspace, candidate: Candidate, tensor: str, percentile: float) -> float:
    """Return the threshold of one tensor that a percentile calibrator would choose.

    Args:
        workspace: Where the candidate's calibration set and graph lie.
        candidate: The candidate.
        tensor: Name of a float tensor.
        percentile: Fraction of its elements that do not saturate, in 0..1.

    Returns:
        The threshold.
    """
    histogram = workspace.histograms(candidate.calibration_set, candidate.graph)[tensor]
    return percentile_threshold(histogram, fraction=percentile)


def bounds_above(workspace: Workspace, candidate: Candidate, fraction: float) -> dict[str, float]:
    """Return the bounds of convolutions whose negative side the activation behind them flattens.

    Args:
        workspace: Where the candidate's calibration set and graph lie.
        candidate: The candidate.
        fraction: Of all elements that the bound covers, by the positive side alone.

    Returns:
        Tensor -> bound.
    """
    model = candidate_model(workspace, candidate)
    histograms = workspace.histograms(candidate.calibration_set, candidate.graph)
    bounds = positive_bounds(histograms, model.graph, _scale_plan(model, candidate), fraction=fraction)
    declared = declared_thresholds(model.graph.declared, model.plan)
    return {tensor: bound for tensor, bound in bounds.items() if tensor not in declared}


def _scale_plan(model: PreparedModel, candidate: Candidate) -> ScalePlan:
    return plan_scales(model.graph, int16_tail=model.job.march in INT16_MARCHES, int16=candidate.int16)


def tables_behind(model: PreparedModel) -> dict[str, str]:
    """Return, for what each table reads, what it writes."""
    return {node.inputs[0]: node.output for node in model.graph.nodes if node.op == "Table"}
