"""What a hostile graph may cost and claim: refused before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.errors import ConfigError, ModelError
from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import load_graph
from edgekit.sim.ops.operator import run_checked
from edgekit.sim.tensor import TensorType
from tests.sim.synthetic import NodeSpec, graph_bytes

SMALL = {"x": ("int8", (1, 64, 64, 1))}
WIDE_POOL = NodeSpec(
    "HzQuantizedMaxPool", ["x"], ["y"], {"kernel_shape": [4096, 4096], "pads": [2048] * 4, "strides": [1, 1]}, {}, "p"
)


def resize(scales: Any, *, constant: bool = True) -> bytes:
    constants = {"roi": np.zeros(0, np.float32), **({"sc": np.asarray(scales, np.float32)} if constant else {})}
    node = NodeSpec("Resize", ["f", "roi", "sc"], ["y"], {"mode": "nearest"}, constants, "r")
    inputs = {"f": ("float32", (1, 8, 8, 4)), **({} if constant else {"sc": ("float32", (4,))})}
    shape = [int(a * b) for a, b in zip((1, 8, 8, 4), scales, strict=True)]
    return graph_bytes([node], inputs, {"y": ("float32", shape)})


def test_work_beyond_the_limit_is_refused_at_load_and_raised_by_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    data = graph_bytes([WIDE_POOL], SMALL, {"y": ("int8", (1, 65, 65, 1))})
    with pytest.raises(ModelError, match="multiply-adds up to node 'p', expected at most") as caught:
        load_graph(data)
    assert "EDGEKIT_GRAPH_LIMIT=9" in caught.value.hint
    monkeypatch.setenv("EDGEKIT_GRAPH_LIMIT", "9")
    assert load_graph(data).nodes[0].name == "p"
    monkeypatch.setenv("EDGEKIT_GRAPH_LIMIT", "lots")
    with pytest.raises(ConfigError, match="EDGEKIT_GRAPH_LIMIT is 'lots'"):
        load_graph(data)


def convolution(attributes: dict[str, Any], channels: int) -> NodeSpec:
    ending = {"right_shift": 0, "scale": 1, "out_shift": 0, "output_bit": 8, "use_bias": 0}
    weights = np.ones((1, 1, 1, channels), np.int8)
    return NodeSpec("HzSQuantizedConv", ["x", "w"], ["y"], {**ending, **attributes}, {"w": weights}, "bomb")


def transposed(attributes: dict[str, Any], channels: int) -> NodeSpec:
    ending = {"accu_right_shift": 0, "y_quant_scale": 1, "y_right_shift": 0, "output_bit": 8, "use_bias": 0}
    weights = np.ones((1, 1, 1, channels), np.int8)
    return NodeSpec("HzSQuantizedConvTranspose", ["x", "w"], ["y"], {**ending, **attributes}, {"w": weights}, "bomb")


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (convolution({"pads": [4096] * 4, "strides": [4096] * 2}, 64), (1, 2, 2, 64)),
        (transposed({"pads": [4096] * 4, "strides": [4096] * 2}, 64), (1, 3, 3, 1)),
        (
            NodeSpec("HzQuantizedRoiResize", ["x"], ["y"], {"sizes": [1, 1 << 14], "step_decimal_bit": 8}, {}, "bomb"),
            (1, 1 << 14, 1, 1),
        ),
    ],
    ids=["padding", "a cropped result", "between two axes"],
)
def test_memory_that_only_a_nodes_work_takes_counts(node: NodeSpec, shape: tuple[int, ...]) -> None:
    data = graph_bytes([node], {"x": ("int8", shape)}, {"y": ("int8", ())})
    with pytest.raises(ModelError, match="bytes beside the tensors up to node 'bomb'"):
        load_graph(data)


def test_parameters_of_one_number_take_no_memory_per_channel() -> None:
    adds = {"x_shift": 0, "e_scale": 1, "accu_right_shift": 0, "output_scale": 1, "output_right_shift": 0}
    node = NodeSpec("HzSElementwiseAdd", ["x", "x"], ["y"], adds, {}, "sum")
    operator = load_graph(graph_bytes([node], {"x": ("int8", (1, 4096))}, {"y": ("int8", (1, 4096))})).nodes[0].operator
    scale = getattr(operator, "e_scale")  # noqa: B009
    assert scale.shape == (4096,) and scale.strides == (0,)


def test_too_many_nodes_are_refused() -> None:
    nodes = [NodeSpec("Identity", ["x"], [f"y{i}"], name=f"n{i}") for i in range(8193)]
    with pytest.raises(ModelError, match="needs 8,193 nodes, expected at most 8,192"):
        load_graph(graph_bytes(nodes, {"x": ("int8", (1,))}, {"y0": ("int8", (1,))}))


def test_memory_is_summed_over_the_graph() -> None:
    nodes = [NodeSpec("Identity", ["x" if i == 0 else f"t{i - 1}"], [f"t{i}"], name=f"n{i}") for i in range(40)]
    data = graph_bytes(nodes, {"x": ("int8", (1, 1024, 1024, 64))}, {"t39": ("int8", (1, 1024, 1024, 64))})
    with pytest.raises(ModelError, match="bytes of tensors up to node 'n30'"):
        load_graph(data)


def test_a_float_result_is_measured_before_its_trial_run() -> None:
    assert load_graph(resize([1, 2, 2, 1])).types["y"].shape == (1, 16, 16, 4)
    with pytest.raises(ModelError, match="elements in one tensor"):
        load_graph(resize([1, 4096, 4096, 1]))


def test_sizes_that_the_graph_computes_are_refused() -> None:
    with pytest.raises(ModelError, match=r"node 'r'.*sizes come from \['sc'\], expected scales or sizes"):
        load_graph(resize([1, 2, 2, 1], constant=False))


def test_a_result_that_is_not_what_was_promised_is_an_error() -> None:
    class Liar:
        outputs = (TensorType((2, 2), np.dtype(np.int8)),)

        @staticmethod
        def run(x: np.ndarray) -> tuple[np.ndarray, ...]:
            return (x,)

    good = np.zeros((2, 2), np.int8)
    assert run_checked("n", Liar(), good)[0] is good
    for wrong in (np.zeros((2, 1), np.int8), np.zeros((2, 2), np.int16)):
        with pytest.raises(ModelError, match="node 'n' gave"):
            run_checked("n", Liar(), wrong)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_requantize_along_any_axis_gives_the_reference_integers(axis: int) -> None:
    shape = (1, 6, 5, 4)
    scales = [192, 69, 115, 157, 194, 150][: shape[axis]]
    attributes = {"axis": axis, "bits": 8, "output_right_shift": [6] * shape[axis], "output_scale": scales}
    graph = load_graph(
        graph_bytes(
            [NodeSpec("HzRequantize", ["x"], ["y"], attributes)], {"x": ("int8", shape)}, {"y": ("int8", shape)}
        )
    )
    x = np.random.default_rng(0).integers(-128, 128, shape, np.int8)
    expected = ReferenceExecutor(graph).run({"x": x})["y"]
    np.testing.assert_array_equal(make_executor(graph, execution="fast", threads=1).run({"x": x})["y"], expected)


def test_slopes_lie_on_the_last_axis() -> None:
    numbers = {"accu_right_shift": 3, "negative_right_shift": 0, "negative_scale": 1}
    numbers |= {"positive_right_shift": 0, "positive_scale": 1}
    for shape, fits in (((4,), True), ((1, 1, 4), True), ((1,), True), ((4, 1, 1), False)):
        node = NodeSpec("HzSPRelu", ["x", "s"], ["y"], numbers, {"s": np.ones(shape, np.int8)}, "p")
        data = graph_bytes([node], {"x": ("int8", (1, 1, 8, 4))}, {"y": ("int8", (1, 1, 8, 4))})
        if fits:
            load_graph(data)
        else:
            with pytest.raises(ModelError, match=r"node 'p'.*slopes of shape \[4, 1, 1\]"):
                load_graph(data)


def test_a_scalar_has_no_channels() -> None:
    nodes = [
        NodeSpec("Reshape", ["x", "sh"], ["s"], {}, {"sh": np.zeros(0, np.int64)}, "r"),
        NodeSpec("HzQuantizedBitShift", ["s"], ["y"], {"direction": "RIGHT", "shift": 1}, {}, "b"),
    ]
    with pytest.raises(ModelError, match="node 'b'.*is a scalar"):
        load_graph(graph_bytes(nodes, {"x": ("int8", (1,))}, {"y": ("int8", ())}))
