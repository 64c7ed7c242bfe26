"""Bounds by the positive side: their percentile, which convolutions have them, and what calibration makes of Clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.compilation.job import load_job
from edgekit.folding.clip import clip_outputs
from edgekit.folding.clip_bounds import FLAT_FROM, boundable, clipped_thresholds, positive_bounds
from edgekit.graph.float_graph import SPLIT_SOFTMAX
from edgekit.sim.compiler.calibration.collect import observe
from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.prepared_model import PreparedModel, prepare_model
from tests.sim.compiler.works import make_work


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedModel:
    yaml = make_work(tmp_path_factory.mktemp("clips") / "work", family="yolo11", task="segment", num_classes=4)
    return prepare_model(load_job(yaml))


@pytest.fixture(scope="module")
def histograms(prepared: PreparedModel) -> Mapping[str, Histogram]:
    tensors = [prepared.graph.input, *(name for node in prepared.graph.nodes for name in node.outputs)]
    return observe(prepared.job, prepared.graph, tensors)


def silu(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / (1 + np.exp(-x)))


def histogram_of(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.add(values)
    return histogram


def test_only_convolutions_in_front_of_a_flat_activation_are_bounded(prepared: PreparedModel) -> None:
    graph = prepared.graph
    readers = graph.consumers()
    tensors = boundable(graph, prepared.plan)
    assert len(tensors) > 10
    for tensor, activated in tensors.items() - differences(prepared).items():
        (table,) = readers[tensor]
        assert table.attrs["function"] == "swish" and table.output == activated
    heads = set(graph.outputs.values())
    assert not heads & set(tensors)


def differences(prepared: PreparedModel) -> dict[str, str]:
    """Difference from the maximum -> its exponential, of all attention."""
    steps = [node for node in prepared.graph.nodes if SPLIT_SOFTMAX in node.attrs]
    exponentials = {node.inputs[0]: node.output for node in steps if node.attrs.get("function") == "exp"}
    return {node.output: exponentials[node.output] for node in steps if node.op == "Sub"}


def test_differences_are_bounded_where_all_their_exponentials_are_next_to_nothing(prepared: PreparedModel) -> None:
    inside = differences(prepared)
    assert inside and inside.items() <= boundable(prepared.graph, prepared.plan).items()
    counted = {
        name: histogram_of(np.linspace(-30, 0, 1001).astype(np.float32))
        for pair in boundable(prepared.graph, prepared.plan).items()
        for name in pair
    }
    for fraction in (1.0, 0.9):
        bounds = positive_bounds(counted, prepared.graph, prepared.plan, fraction=fraction)
        for tensor in inside:
            keys = prepared.graph.shapes[tensor][1]
            assert keys > 1 and keys * np.exp(-bounds[tensor]) == pytest.approx(0.02)
            assert np.rint(127 * np.exp(-bounds[tensor])) == 0


@pytest.mark.parametrize("fraction", [1.0, 0.999, 0.99])
def test_the_bound_is_the_percentile_of_the_positive_side(prepared: PreparedModel, fraction: float) -> None:
    """From the activation's histogram, as if the convolution's own values above zero were counted."""
    tensors = boundable(prepared.graph, prepared.plan)
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 4, 100_000), [-60.0]]).astype(np.float32)
    counted = {name: histogram_of(v) for t, a in tensors.items() for name, v in ((t, values), (a, silu(values)))}
    bounds = positive_bounds(counted, prepared.graph, prepared.plan, fraction=fraction)
    assert set(bounds) == set(tensors)
    expected = np.quantile(np.maximum(values, 0), fraction)
    convolutions = bounds.keys() - differences(prepared)
    assert all(bounds[name] == pytest.approx(expected, rel=2e-3) for name in convolutions)


def test_the_negative_lobe_stays_and_what_never_leaves_is_not_clipped(prepared: PreparedModel) -> None:
    tensors = boundable(prepared.graph, prepared.plan)
    first, second, *others = sorted(tensors.keys() - differences(prepared))
    ranges = {first: (-20.0, 1.0), second: (-3.0, 2.0), **dict.fromkeys(others, (-1.0, 9.0))}
    ranges |= dict.fromkeys(differences(prepared), (-5.0, 0.0))
    counted = {}
    for tensor, (low, high) in ranges.items():
        values = np.linspace(low, high, 1001).astype(np.float32)
        counted |= {tensor: histogram_of(values), tensors[tensor]: histogram_of(silu(values))}
    bounds = positive_bounds(counted, prepared.graph, prepared.plan, fraction=1.0)
    assert bounds == {first: FLAT_FROM}  # the second stays within 4, the others' bound is their largest value


def test_thresholds_are_what_calibration_finds_behind_the_clips(
    prepared: PreparedModel, histograms: Mapping[str, Histogram], tmp_path: Path
) -> None:
    """Never smaller, and the same where a Clip's image arrives unchanged: at tables and Concats of them."""
    graph, plan = prepared.graph, prepared.plan
    bounds = {tensor: 0.4 * histograms[tensor].largest for tensor in boundable(graph, plan)}
    thresholds = {name: histograms[name].largest for name in plan.observed}
    ours = clipped_thresholds(thresholds, bounds, graph, plan)
    onnx.save(clip_outputs(onnx.load(prepared.job.onnx_path), bounds), str(tmp_path / "clipped.onnx"))
    clipped = prepare_model(replace(prepared.job, onnx_path=tmp_path / "clipped.onnx"))
    real = observe(clipped.job, clipped.graph, clipped.plan.observed)
    assert set(real) == set(ours)
    equal = [name for name, value in ours.items() if value == pytest.approx(real[name].largest, rel=1e-3)]
    assert len(equal) > len(bounds)
    changed = [name for name, value in ours.items() if value < thresholds[name]]
    assert set(bounds) < set(changed)  # and others behind them
    # Narrower ranges in front make smaller values behind: only a little can be left above, by other weights' signs.
    assert sum(real[name].largest > 1.05 * ours[name] for name in bounds) == 0
