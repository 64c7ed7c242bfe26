"""Each operation as integers against the float model: errors within a few steps of the output."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.folding.clip import clip_outputs
from edgekit.graph.attention import attention_differences, attention_sums
from edgekit.graph.float_graph import SOFTMAX, SPLIT_SOFTMAX, read_float_graph
from edgekit.graph.passes.fuse import fuse_softmax
from edgekit.graph.pipeline import simplify
from edgekit.sim.compiler.mixed_precision import precision_groups
from edgekit.sim.compiler.scales import plan_scales
from tests.sim.compiler.graphs import HEIGHT, WIDTH, FloatModel, compare

Build = Callable[[FloatModel], None]


def conv_inside(m: FloatModel) -> None:
    m.head(m.node("Relu", [m.conv("images", 3, 8, k=3)]))


def depthwise(m: FloatModel) -> None:
    m.head(m.swish(m.conv(m.conv("images", 3, 6), 6, 6, k=3, group=6, strides=[2, 2])))


def conv_transpose(m: FloatModel) -> None:
    weight = m.constant(m.rng.normal(0, 0.5, (4, 5, 2, 2)).astype(np.float32))
    bias = m.constant(m.rng.normal(0, 0.3, 5).astype(np.float32))
    up = m.node("ConvTranspose", [m.conv("images", 3, 4), weight, bias], kernel_shape=[2, 2], strides=[2, 2])
    m.head(up)


def add(m: FloatModel) -> None:
    big = m.node("Mul", [m.conv("images", 3, 4), m.constant(np.float32(3.7))])
    m.head(m.node("Add", [m.swish(m.conv("images", 3, 4)), big]))


def joined_sum(m: FloatModel) -> None:
    """The convolution that the sum alone reads adds in its accumulator."""
    x = m.swish(m.conv("images", 3, 4))
    m.head(m.node("Add", [x, m.conv(x, 4, 4, k=3)]))


def subtract(m: FloatModel) -> None:
    big = m.node("Mul", [m.conv("images", 3, 4), m.constant(np.float32(5.0))])
    m.head(m.node("Sub", [big, m.conv("images", 3, 4)]))


def multiply(m: FloatModel) -> None:
    m.head(m.node("Mul", [m.conv("images", 3, 4), m.conv("images", 3, 4)]))


def max_pool(m: FloatModel) -> None:
    m.head(m.node("MaxPool", [m.conv("images", 3, 4)], kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]))


def average_pool(m: FloatModel) -> None:
    m.head(m.node("AveragePool", [m.conv("images", 3, 4)], kernel_shape=[2, 2], strides=[1, 1]))


def global_average(m: FloatModel) -> None:
    m.head(m.node("GlobalAveragePool", [m.conv("images", 3, 4)]))


def resize(m: FloatModel) -> None:
    scales = m.constant(np.array([1, 1, 2, 2], np.float32))
    roi = m.constant(np.zeros(0, np.float32))
    m.head(m.node("Resize", [m.conv("images", 3, 4), roi, scales], mode="nearest"))


def split_and_concat(m: FloatModel) -> None:
    left, right = m.node("Split", [m.swish(m.conv("images", 3, 8))], count=2, axis=1, split=[3, 5])
    wide = m.node("Mul", [m.conv(left, 3, 4), m.constant(np.float32(2.5))])
    m.head(m.node("Concat", [left, right, wide], axis=1))


def slice_rows(m: FloatModel) -> None:
    bounds = [m.constant(np.array([v], np.int64)) for v in (1, -2, 2)]
    m.head(m.node("Slice", [m.conv("images", 3, 4), *bounds]))


def batch_norm(m: FloatModel) -> None:
    values = [m.rng.uniform(0.5, 1.5, 4).astype(np.float32) for _ in range(4)]
    m.head(m.swish(m.node("BatchNormalization", [m.conv("images", 3, 4), *map(m.constant, values)])))


def channel_arithmetic(m: FloatModel) -> None:
    factor, offset = (m.rng.normal(0, 1, (1, 4, 1, 1)).astype(np.float32) for _ in range(2))
    scaled = m.node("Mul", [m.swish(m.conv("images", 3, 4)), m.constant(factor)])
    m.head(m.swish(m.node("Add", [scaled, m.constant(offset)])))


def attention(m: FloatModel) -> None:
    """Queries, keys and values of one head, as YOLO11 has them, softmax as one node."""
    size = HEIGHT * WIDTH
    flat = m.node("Reshape", [m.conv("images", 3, 12), m.constant(np.array([1, 1, 12, size], np.int64))])
    q, k, v = m.node("Split", [flat], count=3, axis=2, split=[4, 4, 4])
    scaled = m.node("Mul", [q, m.constant(np.float32(0.5))])
    scores = m.node("MatMul", [m.node("Transpose", [scaled], perm=[0, 1, 3, 2]), k])
    shares = m.node("Softmax", [scores], axis=3)
    mixed = m.node("MatMul", [v, m.node("Transpose", [shares], perm=[0, 1, 3, 2])])
    m.head(m.node("Reshape", [mixed, m.constant(np.array([1, 4, HEIGHT, WIDTH], np.int64))]))


CASES: dict[str, tuple[Build, str, float]] = {
    "conv with relu": (conv_inside, "HzSQuantizedConv", 2.5),
    "depthwise, stride 2": (depthwise, "HzLut", 4.0),
    "transposed conv": (conv_transpose, "HzSQuantizedConvTranspose", 3.0),
    "add": (add, "HzSElementwiseAdd", 4.0),
    "sum in the accumulator": (joined_sum, "HzSQuantizedConv", 2.5),
    "subtract": (subtract, "HzSElementwiseSub", 4.0),
    "multiply": (multiply, "HzSElementwiseMul", 5.0),
    "max pool": (max_pool, "HzQuantizedMaxPool", 3.0),
    "average pool": (average_pool, "HzSQuantizedConv", 3.0),
    "global average": (global_average, "HzSQuantizedGlobalAveragePool", 3.0),
    "resize": (resize, "HzQuantizedResizeUpsample", 3.0),
    "split and concat": (split_and_concat, "Concat", 4.0),
    "slice": (slice_rows, "Slice", 3.0),
    "batch norm": (batch_norm, "HzSQuantizedConv", 3.0),
    "channel arithmetic": (channel_arithmetic, "HzSQuantizedConv", 5.0),
    "attention": (attention, "HzSQuantizedMatmul", 8.0),
}


@pytest.mark.parametrize(("build", "op", "allowed"), CASES.values(), ids=CASES)
def test_within_a_few_steps_of_the_float_model(tmp_path: Path, build: Build, op: str, allowed: float) -> None:
    result = compare(tmp_path / "m.onnx", build)
    assert op in result.ops
    assert result.truth["output_0"].shape == result.found["output_0"].shape
    assert 0 < result.steps_off() <= allowed


def test_a_sum_joins_the_accumulator_of_the_later_convolution(tmp_path: Path) -> None:
    def both(m: FloatModel) -> None:
        m.head(m.node("Add", [m.conv("images", 3, 4, name="first"), m.conv("images", 3, 4, k=3, name="second")]))

    def read_twice(m: FloatModel) -> None:
        y = m.conv("images", 3, 4)
        m.head(m.node("Add", [y, m.swish(y)]))

    joined = compare(tmp_path / "m.onnx", both)
    assert "HzSElementwiseAdd" not in joined.ops and joined.steps_off() < 2.5
    assert "first_out0" in joined.thresholds and "second_out0" not in joined.thresholds
    assert "HzSElementwiseAdd" in compare(tmp_path / "m.onnx", read_twice).ops


def test_head_convolutions_stay_at_accumulator_width(tmp_path: Path) -> None:
    result = compare(tmp_path / "m.onnx", lambda m: m.head(m.conv("images", 3, 8, k=3)))
    error = np.abs(result.truth["output_0"] - result.found["output_0"]).max()
    assert error < 0.02 * np.abs(result.truth["output_0"]).max()
    assert result.ops[-2:] == ["HzSQuantizedConv", "HzDequantize"]


def test_a_table_at_an_output_runs_in_16_bits(tmp_path: Path) -> None:
    def tail(m: FloatModel) -> None:
        m.head(m.swish(m.conv("images", 3, 8)))

    wide, narrow = (compare(tmp_path / "m.onnx", tail, int16_tail=flag) for flag in (True, False))
    assert "HzLut2Layer" in wide.ops and "HzLut" in narrow.ops
    errors = [np.abs(r.truth["output_0"] - r.found["output_0"]).mean() for r in (wide, narrow)]
    assert errors[0] < errors[1]


def _softmax(m: FloatModel, x: str) -> str:
    """As `edgekit cut` writes it, over the last axis."""
    forth = m.node("Transpose", [x], perm=[0, 3, 1, 2])
    peak = m.node("ReduceMax", [forth], axes=[1], keepdims=1)
    exp = m.node("Exp", [m.node("Sub", [forth, peak])])
    shares = m.node("Div", [exp, m.node("ReduceSum", [exp], axes=[1], keepdims=1)], "shares")
    return str(m.node("Transpose", [shares], "back", perm=[0, 2, 3, 1]))


def _attention(m: FloatModel) -> None:
    x = m.node("Reshape", [m.conv("images", 3, 3), m.constant(np.array([1, 1, 12, 24], np.int64))])
    m.head(m.node("Reshape", [_softmax(m, x), m.constant(np.array([1, 3, 8, 12], np.int64))]))


def _one_head(m: FloatModel) -> None:
    """A head's attention as `edgekit cut` writes it: positions in one row, channels last, keys alone transposed."""
    size = HEIGHT * WIDTH

    def row(channels: int, perm: list[int]) -> str:
        flat = m.node(
            "Reshape", [m.conv("images", 3, channels), m.constant(np.array([1, channels, 1, size], np.int64))]
        )
        return str(m.node("Transpose", [flat], perm=perm))

    scores = m.node("MatMul", [row(4, [0, 2, 3, 1]), row(4, [0, 2, 1, 3])])
    mixed = m.node("MatMul", [_softmax(m, scores), row(6, [0, 2, 3, 1])])
    in_a_row = m.node("Transpose", [mixed], perm=[0, 3, 1, 2])
    m.head(m.node("Reshape", [in_a_row, m.constant(np.array([1, 6, HEIGHT, WIDTH], np.int64))]))


def test_attention_with_channels_last_moves_keys_alone(tmp_path: Path) -> None:
    result = compare(tmp_path / "m.onnx", _one_head)
    assert result.ops[0] == "Transpose" and result.ops.count("Transpose") == 2  # the image's, and the keys'
    assert result.ops.count("Reshape") == 4
    found, truth = result.found["output_0"], result.truth["output_0"]
    assert result.steps_off() < 8 and np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("perm", [[0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], [0, 2, 1, 3], [0, 1, 2, 3]])
def test_axes_are_counted_as_in_the_float_model(tmp_path: Path, perm: list[int]) -> None:
    def turned(m: FloatModel) -> None:
        y = m.node("Transpose", [m.swish(m.conv("images", 3, 4))], perm=perm)
        m.head(m.node("Transpose", [m.node("Transpose", [y], perm=[0, 3, 1, 2])], perm=[0, 2, 3, 1]))

    result = compare(tmp_path / "m.onnx", turned)
    assert result.truth["output_0"].shape == result.found["output_0"].shape
    assert 0 < result.steps_off() <= 3


def test_a_softmax_runs_in_integers_step_by_step(tmp_path: Path) -> None:
    """The same operations in the same order as in the vendor's builds; sums and shares are coarse there, too."""
    result = compare(tmp_path / "m.onnx", _attention)
    steps = [
        op for op in result.ops if op.startswith(("HzQuantizedReduce", "HzSElement", "HzLut", "HzSQuantizedReduce"))
    ]
    assert steps == [
        "HzQuantizedReduceMax",
        "HzSElementwiseSub",
        "HzLut",
        "HzSQuantizedReduceSum",
        "HzLut",
        "HzSElementwiseMul",
    ]
    assert "Softmax" not in result.ops
    found, truth = result.found["output_0"], result.truth["output_0"]
    assert result.steps_off() < 8 and np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.999


def _scores_and_values(m: FloatModel, keys: int = 24) -> tuple[str, str]:
    """Scores of 12 queries over 24 keys, steep ones and flat ones, and 12 values per key; of fewer over more keys."""
    shape = np.array([1, 1, 288 // keys, keys])
    maps = [m.node("Reshape", [m.conv("images", 3, 3), m.constant(shape)]) for _ in range(2)]
    steepness = m.conv("images", 3, 3)
    steep = m.node("Reshape", [m.node("Mul", [steepness, steepness]), m.constant(shape)])
    return m.node("Mul", [m.node("Mul", [maps[0], steep]), m.constant(np.float32(8))]), maps[1]


def _weighted(m: FloatModel) -> None:
    scores, values = _scores_and_values(m)
    shares = m.node("Transpose", [_softmax(m, scores)], perm=[0, 1, 3, 2])
    m.head(m.node("MatMul", [values, shares]))


def _split_weighted(m: FloatModel, keys: int = 24) -> None:
    """The same with the division split, as `edgekit cut` writes it."""
    scores, values = _scores_and_values(m, keys)
    forth = m.node("Transpose", [scores], perm=[0, 3, 1, 2])
    exp = m.node("Exp", [m.node("Sub", [forth, m.node("ReduceMax", [forth], axes=[1], keepdims=1)], "shifted")])
    total = m.node("Conv", [exp, m.constant(np.ones((1, keys, 1, 1), np.float32))], "sum", kernel_shape=[1, 1])
    inverse = m.node("Reciprocal", [m.node("Sqrt", [total])], "inverse")
    back = m.node("Transpose", [m.node("Mul", [exp, inverse])], perm=[0, 2, 3, 1])
    product = m.node("MatMul", [values, m.node("Transpose", [back], perm=[0, 1, 3, 2])])
    queries = m.node("Transpose", [inverse], perm=[0, 3, 2, 1])
    scaled = m.node("Mul", [m.node("Transpose", [product], perm=[0, 3, 1, 2]), queries], "scaled")
    m.head(m.node("Transpose", [scaled], perm=[0, 2, 3, 1]))


def test_a_split_division_loses_less(tmp_path: Path) -> None:
    """Over 24 keys a little; the more keys, the further flat and steep shares lie apart."""
    squares = np.zeros(2)
    for seed in range(4):
        pair = [compare(tmp_path / "m.onnx", build, seed=seed) for build in (_split_weighted, _weighted)]
        truths = [result.truth["output_0"] for result in pair]
        np.testing.assert_allclose(truths[0], truths[1], atol=1e-4)
        squares += [np.mean((truths[0] - result.found["output_0"]) ** 2) for result in pair]
    assert squares[0] < 0.8 * squares[1]
    assert pair[0].ops.count("HzLut") == 2 and pair[0].ops.count("HzSElementwiseMul") == 4  # two of the scores


def test_the_steps_of_a_split_softmax_are_marked(tmp_path: Path) -> None:
    m = FloatModel()
    _split_weighted(m)
    graph = simplify(read_float_graph(m.save(tmp_path / "m.onnx")))
    marked = {node.attrs.get(SPLIT_SOFTMAX) for node in graph.nodes if SPLIT_SOFTMAX in node.attrs}
    assert marked == {"inverse"}
    assert {node.attrs.get("function") for node in graph.nodes if node.op == "Table"} == {"exp", "rsqrt"}
    steps = [node for node in graph.nodes if node.is_softmax_step]
    assert sorted(node.op for node in steps) == ["Conv", "Mul", "Mul", "ReduceMax", "Sub", "Table", "Table"]
    groups = precision_groups(graph, plan_scales(graph))
    inside = {name for node in steps for name in node.outputs}
    total = next(node.output for node in steps if node.op == "Conv")
    assert inside & frozenset().union(*(group.tensors for group in groups)) == {total}
    assert frozenset({total}) in {group.tensors for group in groups}
    assert attention_sums(graph) == {total}


def test_a_convolution_in_front_of_a_softmax_is_no_sum(tmp_path: Path) -> None:
    """Nor is one that the board's compiler sums by itself, with the division in one piece."""
    m = FloatModel()
    m.head(_softmax(m, m.conv("images", 3, 3)))
    graph = simplify(read_float_graph(m.save(tmp_path / "m.onnx")))
    assert any(node.is_softmax_step for node in graph.nodes)
    assert not attention_sums(graph) and not attention_differences(graph)


def test_a_clip_in_attention_hides_no_softmax(tmp_path: Path) -> None:
    m = FloatModel()
    _split_weighted(m)
    plain = simplify(read_float_graph(m.save(tmp_path / "m.onnx")))
    shifted = next(node.output for node in plain.nodes if node.name == "shifted")
    onnx.save(clip_outputs(onnx.load(tmp_path / "m.onnx"), {shifted: 5.0}), tmp_path / "clipped.onnx")
    clipped = simplify(read_float_graph(tmp_path / "clipped.onnx"))
    assert [(n.name, n.op) for n in clipped.nodes if n.is_softmax_step] == [
        (n.name, n.op) for n in plain.nodes if n.is_softmax_step
    ]


def test_the_sum_of_attention_in_16_bits_loses_less(tmp_path: Path) -> None:
    squares = np.zeros(2)
    for seed in range(4):
        wide, narrow = (
            compare(tmp_path / "m.onnx", partial(_split_weighted, keys=96), seed=seed, node_info=info)
            for info in ({"sum": {"ON": "BPU", "OutputType": "int16"}}, {})
        )
        squares += [np.mean((r.truth["output_0"] - r.found["output_0"]) ** 2) for r in (wide, narrow)]
        assert wide.ops.count("HzLut2Layer") == 1 and "HzLut2Layer" not in narrow.ops
    print(squares)
    assert squares[0] < squares[1]


def test_an_inverse_root_elsewhere_is_a_table_alone(tmp_path: Path) -> None:
    m = FloatModel()
    x = m.conv("images", 3, 4)
    positive = m.node("Add", [m.node("Mul", [x, x]), m.node("Sigmoid", [x])])
    m.head(m.node("Reciprocal", [m.node("Sqrt", [positive])]))
    graph = simplify(read_float_graph(m.save(tmp_path / "m.onnx")))
    assert not any(node.is_softmax_step or node.op == "Sqrt" for node in graph.nodes)
    assert compare(tmp_path / "m.onnx", lambda other: other.__dict__.update(m.__dict__)).steps_off() < 40


def test_the_steps_become_one_softmax_again(tmp_path: Path) -> None:
    m = FloatModel()
    _attention(m)
    spelled = simplify(read_float_graph(m.save(tmp_path / "m.onnx")))
    fused = fuse_softmax(spelled)
    softmax = next(node for node in fused.nodes if node.op == "Softmax")
    assert softmax.name == "back" and softmax.inputs == ("reshape_1_out0",)
    assert not any(node.op in ("ReduceSum", "ReduceMax", "Sub") for node in fused.nodes)
    assert {node.attrs.get("function") for node in spelled.nodes} >= {"exp", "reciprocal"}
    assert spelled.made == {"reducesum_6_out0_reciprocal": "reducesum_6_out0"}


def test_a_second_reader_of_the_shares_is_no_second_softmax(tmp_path: Path) -> None:
    m = FloatModel()
    _attention(m)
    m.head(m.node("Transpose", ["shares_out0"], "again", perm=[0, 2, 3, 1]))
    graph = simplify(read_float_graph(m.save(tmp_path / "m.onnx")))
    assert {n.attrs[SOFTMAX] for n in graph.nodes if SOFTMAX in n.attrs} == {"back"}
    fused = fuse_softmax(graph)
    made = {name for node in fused.nodes for name in node.outputs}
    assert all(name in made or name in fused.constants for n in fused.nodes for name in n.inputs if name != "images")


def test_a_tensor_that_has_the_name_of_the_reciprocal_is_refused(tmp_path: Path) -> None:
    m = FloatModel()
    _attention(m)
    m.nodes.insert(0, onnx.helper.make_node("Sigmoid", ["images"], ["reducesum_6_out0_reciprocal"], "odd"))
    m.head("reducesum_6_out0_reciprocal")
    with pytest.raises(ModelError, match="'reducesum_6_out0_reciprocal', which is taken"):
        simplify(read_float_graph(m.save(tmp_path / "m.onnx")))


def test_a_transpose_without_axes_reverses_them(tmp_path: Path) -> None:
    m = FloatModel()
    m.head(m.node("Transpose", [m.conv("images", 3, 3)]))
    graph = read_float_graph(m.save(tmp_path / "m.onnx"))
    assert graph.nodes[1].attrs["perm"] == [3, 2, 1, 0]


@pytest.mark.parametrize(("op", "count"), [("Relu", 2), ("Exp", 2), ("Add", 3)])
def test_a_node_with_another_number_of_inputs_is_refused(tmp_path: Path, op: str, count: int) -> None:
    m = FloatModel()
    m.head(m.node(op, [m.conv("images", 3, 3)] * count, "odd"))
    with pytest.raises(ModelError, match=f"Node.odd.*{op}.* has input size {count} not in range"):
        read_float_graph(m.save(tmp_path / "m.onnx"))


def test_long_chains_of_moves_end(tmp_path: Path) -> None:
    m = FloatModel()
    moved = m.node("Mul", [m.conv("images", 3, 2), m.constant(np.float32(0.5))])
    for _ in range(1200):
        moved = m.node("Transpose", [moved], perm=[0, 1, 3, 2])
    m.head(m.node("Concat", [moved, moved], axis=1))
    plan_scales(simplify(read_float_graph(m.save(tmp_path / "m.onnx"))))


def test_the_steps_of_a_softmax_have_no_16_bits(tmp_path: Path) -> None:
    m = FloatModel()
    _attention(m)
    graph = simplify(read_float_graph(m.save(tmp_path / "m.onnx")))
    groups = precision_groups(graph, plan_scales(graph))
    inside = {name for node in graph.nodes if SOFTMAX in node.attrs for name in node.outputs}
    assert not inside & frozenset().union(*(group.tensors for group in groups))


def test_the_factor_of_queries_has_a_range_of_its_own(tmp_path: Path) -> None:
    """A half of the map is multiplied, whose largest value lies elsewhere: 1 of its integers is its own maximum."""

    def queries(m: FloatModel) -> None:
        q, k = m.node("Split", [m.conv("images", 3, 2)], count=2, axis=1, split=[1, 1])
        scaled = m.node("Mul", [q, m.constant(np.float32(0.25))], "factor")
        product = m.node("MatMul", [m.node("Transpose", [scaled], perm=[0, 1, 3, 2]), k])
        m.head(product)

    result = compare(tmp_path / "m.onnx", queries)
    assert "factor_out0" in result.thresholds and result.steps_off() < 3


def test_a_channel_without_weights_gives_its_bias(tmp_path: Path) -> None:
    def dead(m: FloatModel) -> None:
        weight = m.rng.normal(0, 0.6, (4, 3, 1, 1)).astype(np.float32)
        weight[1] = 0
        bias = m.constant(np.array([0.1, 1.5, -0.2, 0.0], np.float32))
        m.head(m.node("Relu", [m.node("Conv", ["images", m.constant(weight), bias])]))

    result = compare(tmp_path / "m.onnx", dead)
    assert np.abs(result.found["output_0"][..., 1] - 1.5).max() <= result.step["output_0"]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda m: m.head(m.node("Erf", [m.conv("images", 3, 4)], "gelu")), "'gelu'.*Erf.*not known"),
        (
            lambda m: m.head(m.node("MaxPool", ["images"], "odd", kernel_shape=[2, 2], dilations=[2, 2])),
            "'odd'.*dilations",
        ),
        (
            lambda m: m.head(m.node("Add", ["images", m.constant(np.ones((1, 3, 8, 12), np.float32))], "plane")),
            "'plane'.*neither one number nor one per channel",
        ),
        (
            lambda m: m.head(m.node("Resize", ["images", *_to_odd_size(m)], "odd", mode="nearest")),
            "'odd'.*whole nearest steps",
        ),
        (
            lambda m: m.head(m.node("Conv", ["images", m.constant(np.full((4, 3, 1, 1), np.nan, np.float32))], "nan")),
            "'nan'.*not finite",
        ),
    ],
)
def test_what_cannot_be_quantized_is_refused_by_name(tmp_path: Path, build: Build, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        compare(tmp_path / "m.onnx", build)
    assert caught.value.hint


def _to_odd_size(m: FloatModel) -> list[str]:
    return [m.constant(np.zeros(0, np.float32)), m.constant(np.array([1, 1, 1.5, 1.5], np.float32))]


def test_a_model_without_nhwc_heads_is_refused(tmp_path: Path) -> None:
    def bare(m: FloatModel) -> None:
        m.outputs.append(m.conv("images", 3, 4))

    with pytest.raises(ModelError, match="does not end in a Transpose"):
        compare(tmp_path / "m.onnx", bare)


def test_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (compare(tmp_path / f"{i}.onnx", split_and_concat) for i in range(2))
    assert np.array_equal(first.found["output_0"], second.found["output_0"])
