"""Clip in the float model: a range for the tensor in front where that is so on the board, else a table or a refusal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.graph.float_graph import read_float_graph
from edgekit.graph.pipeline import simplify
from edgekit.sim.compiler.scales import plan_scales
from tests.sim.compiler.graphs import FloatModel, compare


def clip(m: FloatModel, x: str, low: float, high: float, name: str = "clip") -> Any:
    bounds = [m.constant(np.float32(low)), m.constant(np.float32(high))]
    return m.node("Clip", [x, *bounds], name)


def before_swish(low: float, high: float) -> Callable[[FloatModel], None]:
    def build(m: FloatModel) -> None:
        m.head(m.swish(clip(m, m.conv("images", 3, 8, name="conv"), low, high)))

    return build


@pytest.mark.parametrize(("low", "high"), [(-0.4, 0.4), (0.0, 0.4), (-1000.0, 1000.0), (0.0, 1000.0)])
def test_a_clip_behind_a_convolution_costs_no_node(tmp_path: Path, low: float, high: float) -> None:
    result = compare(tmp_path / "m.onnx", before_swish(low, high))
    assert result.ops.count("HzLut") == 1
    assert result.steps_off() < 3.0
    bound = result.thresholds["clip_out0"]
    assert bound == np.float32(high) if high < 1 else bound < 10.0  # calibration sees what is clipped


def test_the_integers_saturate_at_the_bound(tmp_path: Path) -> None:
    result = compare(tmp_path / "m.onnx", before_swish(-0.4, 0.4))
    integers = result.inner["clip_out0"]
    assert (integers == 127).mean() > 0.01 and (integers <= -127).mean() > 0.01


def test_other_bounds_become_a_table(tmp_path: Path) -> None:
    result = compare(tmp_path / "m.onnx", before_swish(-0.1, 0.4))
    assert result.ops.count("HzLut") == 2
    assert result.steps_off() < 6.0  # the table reads the steps of the unclipped range
    step = result.thresholds["conv_out0"] / 127
    assert result.inner["clip_out0"].min() == np.rint(-0.1 / step)
    assert result.inner["clip_out0"].max() == np.rint(0.4 / step)


def test_a_bound_of_one_side_is_a_table(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        x = m.node("Clip", [m.conv("images", 3, 8), "", m.constant(np.float32(0.2))])
        m.head(m.swish(x))

    assert compare(tmp_path / "m.onnx", build).steps_off() < 4.0


@pytest.mark.parametrize(("op", "bound"), [("Add", 0.2), ("Mul", 0.05), ("Concat", 0.2)])
def test_behind_other_operations_too(tmp_path: Path, op: str, bound: float) -> None:
    def build(m: FloatModel) -> None:
        pair = [m.swish(m.conv("images", 3, 4)), m.swish(m.conv("images", 3, 4))]
        joined = m.node(op, pair, "joined", **({"axis": 1} if op == "Concat" else {}))
        m.head(m.swish(clip(m, joined, -bound, bound)))

    result = compare(tmp_path / "m.onnx", build)
    assert result.thresholds["clip_out0"] == np.float32(bound)
    assert (result.inner["clip_out0"] == 127).mean() > 0.01
    assert np.abs(result.truth["output_0"] - result.found["output_0"]).mean() < 0.03 * bound


def test_relu6_behind_a_transposed_convolution(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        weight = m.constant(m.rng.normal(0, 0.5, (4, 5, 2, 2)).astype(np.float32))
        x = m.swish(m.conv("images", 3, 4))
        up = m.node("ConvTranspose", [x, weight], kernel_shape=[2, 2], strides=[2, 2])
        m.head(m.swish(clip(m, up, 0.0, 0.3)))

    result = compare(tmp_path / "m.onnx", build)
    assert result.inner["clip_out0"].min() == 0 and result.inner["clip_out0"].max() == 127
    assert np.abs(result.truth["output_0"] - result.found["output_0"]).mean() < 0.03 * 0.3


def refused(tmp_path: Path, build: Callable[[FloatModel], None]) -> str:
    m = FloatModel()
    build(m)
    with pytest.raises(ModelError) as error:
        plan_scales(simplify(read_float_graph(m.save(tmp_path / "m.onnx"))))
    assert error.value.hint
    return str(error.value)


def test_behind_a_swish_it_would_be_lost(tmp_path: Path) -> None:
    words = refused(tmp_path, lambda m: m.head(m.swish(clip(m, m.swish(m.conv("images", 3, 4)), -1, 1))))
    assert "'clip' (Clip) stands behind 'mul_" in words


def test_beside_another_reader_it_would_be_lost(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        x = m.conv("images", 3, 4, name="conv")
        m.head(m.node("Add", [m.swish(clip(m, x, -1, 1)), m.swish(x)]))

    assert "not the only one that reads 'conv_out0'" in refused(tmp_path, build)


def test_in_a_concat_of_a_larger_range_it_would_be_lost(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        pair = [clip(m, m.conv("images", 3, 4, name="conv"), -1, 1), m.swish(m.conv("images", 3, 4))]
        m.head(m.swish(m.node("Concat", pair, "joined", axis=1)))

    assert "'conv' (Conv) is bounded by 'clip' and read by 'joined' alone" in refused(tmp_path, build)


def test_an_output_keeps_its_accumulator(tmp_path: Path) -> None:
    assert "is an output" in refused(tmp_path, lambda m: m.head(clip(m, m.conv("images", 3, 4), -1, 1)))


def test_bounds_the_wrong_way_round(tmp_path: Path) -> None:
    assert "bounds 1 and -1" in refused(tmp_path, lambda m: m.head(m.swish(clip(m, m.conv("images", 3, 4), 1, -1))))
