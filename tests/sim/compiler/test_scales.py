"""Which tensors share a scale: moves always, concat with branches of its own."""

from pathlib import Path

from edgekit.graph.float_graph import FloatGraph, read_float_graph
from edgekit.graph.pipeline import simplify
from edgekit.sim.compiler.scales import accumulator_outputs, plan_scales
from tests.sim.compiler.graphs import FloatModel


def graph_of(model: FloatModel, path: Path) -> FloatGraph:
    return simplify(read_float_graph(model.save(path)))


def test_slices_and_pools_keep_the_scale_of_their_input(tmp_path: Path) -> None:
    m = FloatModel()
    x = m.swish(m.conv("images", 3, 8))
    left, right = m.node("Split", [x], count=2, axis=1, split=[4, 4])
    pooled = m.node("MaxPool", [right], kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
    m.head(m.conv(left, 4, 2))
    m.head(m.conv(pooled, 4, 2))
    plan = plan_scales(graph_of(m, tmp_path / "m.onnx"))
    assert {plan.source[name] for name in (x, left, right, pooled)} == {x}


def test_a_branch_that_only_the_concat_reads_takes_its_scale(tmp_path: Path) -> None:
    m = FloatModel()
    own, shared = m.swish(m.conv("images", 3, 4)), m.swish(m.conv("images", 3, 4))
    joined = m.node("Concat", [own, shared], axis=1)
    m.head(m.conv(joined, 8, 2))
    m.head(m.conv(shared, 4, 2))
    plan = plan_scales(graph_of(m, tmp_path / "m.onnx"))
    assert plan.source[own] == joined and plan.source[joined] == joined
    assert plan.source[shared] == shared


def test_the_pooling_chain_of_sppf_is_one_scale(tmp_path: Path) -> None:
    m = FloatModel()
    chain = [m.swish(m.conv("images", 3, 4))]
    for _ in range(3):
        chain.append(m.node("MaxPool", [chain[-1]], kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]))
    joined = m.node("Concat", chain, axis=1)
    m.head(m.conv(joined, 16, 2))
    plan = plan_scales(graph_of(m, tmp_path / "m.onnx"))
    assert {plan.source[name] for name in [*chain, joined]} == {joined}


def test_a_pyramid_that_goes_down_and_up_again_shares_with_the_way_up(tmp_path: Path) -> None:
    """The vendor's builds of YOLOv5 and YOLO11: the upsampled map is rescaled at the Concat on the way down."""
    m = FloatModel()
    deep, shallow = m.swish(m.conv("images", 3, 4)), m.swish(m.conv("images", 3, 4))
    enlarged = m.node("MaxPool", [deep], kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
    way_down = m.node("Concat", [enlarged, shallow], axis=1)
    own = m.swish(m.conv(way_down, 8, 4))
    way_up = m.node("Concat", [own, deep], axis=1)
    m.head(m.conv(way_up, 8, 2))
    m.head(m.conv(shallow, 4, 2))
    plan = plan_scales(graph_of(m, tmp_path / "m.onnx"))
    assert {plan.source[name] for name in (deep, enlarged, own, way_up)} == {way_up}
    assert plan.source[way_down] == way_down


def test_a_factor_changes_the_unit_not_the_integers(tmp_path: Path) -> None:
    import numpy as np

    m = FloatModel()
    x = m.swish(m.conv("images", 3, 4))
    half = m.node("Mul", [x, m.constant(np.float32(0.5))])
    m.head(m.conv(half, 4, 2))
    plan = plan_scales(graph_of(m, tmp_path / "m.onnx"))
    scales = plan.scales(dict.fromkeys(plan.observed, 1.0))
    assert scales[half] == 0.5 * scales[x] and half not in plan.observed


def test_scales_are_float32(tmp_path: Path) -> None:
    import numpy as np

    m = FloatModel()
    x = m.swish(m.conv("images", 3, 4))
    m.head(m.conv(x, 4, 2))
    plan = plan_scales(graph_of(m, tmp_path / "m.onnx"))
    threshold = float(np.float32(1.0078203678131104))
    scale = plan.scales(dict.fromkeys(plan.observed, threshold))[x]
    assert scale == float(np.float32(threshold) / np.float32(127)) != threshold / 127
    assert plan.scales(dict.fromkeys(plan.observed, 1e-300))[x] > 0


def test_heads_have_no_scale_and_the_tail_has_16_bits(tmp_path: Path) -> None:
    m = FloatModel()
    x = m.swish(m.conv("images", 3, 4))
    head, inner = m.conv(x, 4, 2), m.conv(x, 4, 4)
    tail = m.swish(inner)
    m.head(head)
    m.head(tail)
    graph = graph_of(m, tmp_path / "m.onnx")
    plan = plan_scales(graph)
    assert accumulator_outputs(graph) == {head} and head not in plan.source
    assert plan.bits[inner] == plan.bits[tail] == 16 and plan.bits[x] == 8
    assert plan_scales(graph, int16_tail=False).bits[tail] == 8
