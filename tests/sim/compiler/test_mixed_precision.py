"""int16 by node_info: which tensors get it, that their integers are finer, and the way back to a node_info."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgekit.compilation.job import load_job
from edgekit.errors import ConfigError, ModelError
from edgekit.graph.attention import attention_sums
from edgekit.graph.float_graph import FloatGraph, read_float_graph
from edgekit.graph.pipeline import simplify
from edgekit.sim.compiler.mixed_precision import (
    int16_everywhere,
    int16_outputs,
    int16_tensors,
    node_info_for,
    outputs_for_int16,
    precision_groups,
)
from edgekit.sim.compiler.prepared_model import prepare_model, with_int16
from edgekit.sim.compiler.scales import plan_scales
from tests.sim.compiler.graphs import FloatModel, compare
from tests.sim.compiler.works import make_work

Build = Callable[[FloatModel], None]
BOTH = {"ON": "BPU", "InputType": "int16", "OutputType": "int16"}
INPUT, OUTPUT = ({"ON": "BPU", key: "int16"} for key in ("InputType", "OutputType"))


def unit(m: FloatModel, x: str, inputs: int, name: str, k: int = 1) -> str:
    """conv and swish: tensors NAME_out0 and NAME/mul_out0."""
    y = m.conv(x, inputs, 8, k=k, name=name)
    return str(m.node("Mul", [y, m.node("Sigmoid", [y], f"{name}/sig")], f"{name}/mul"))


def chain(m: FloatModel) -> None:
    m.head(unit(m, unit(m, unit(m, "images", 3, "a"), 8, "b", k=3), 8, "c"))


def bottleneck(m: FloatModel) -> None:
    """A C2f block: split, bottleneck with a shortcut, concat."""
    x = unit(m, "images", 3, "stem")
    left, right = m.node("Split", [x], "split", count=2, axis=1, split=[4, 4])
    inner = unit(m, right, 4, "m1")
    y = m.node("Add", [right, m.conv(inner, 8, 4, name="m2")], "add")
    y2 = m.swish(y)
    m.head(unit(m, m.node("Concat", [left, right, y2], "concat", axis=1), 12, "out"))


def down_and_up(m: FloatModel) -> tuple[str, str]:
    """Down, up again, joined with what was there before; the pooled tensor and the deep one."""
    x = unit(m, "images", 3, "fine")
    pooled = m.node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    deep = unit(m, pooled, 8, "deep")
    scales = m.constant(np.array([1, 1, 2, 2], np.float32))
    up = m.node("Resize", [deep, m.constant(np.zeros(0, np.float32)), scales], "up", mode="nearest")
    m.head(unit(m, m.node("Concat", [up, x], "concat", axis=1), 16, "out"))
    return pooled, deep


def pyramid(m: FloatModel) -> None:
    """A convolution reads the deep tensor, too."""
    _, deep = down_and_up(m)
    m.head(unit(m, deep, 8, "low"))


def neck(m: FloatModel) -> None:
    """A Concat reads the deep tensor, too, but no convolution."""
    pooled, deep = down_and_up(m)
    both = m.node("Concat", [unit(m, pooled, 8, "other"), deep], "concat2", axis=1)
    m.head(unit(m, both, 16, "low"))


def arithmetic(m: FloatModel) -> None:
    a, b = unit(m, "images", 3, "a"), unit(m, "images", 3, "b")
    total = m.node("Add", [a, b], "total")
    product = m.node("Mul", [a, total], "product")
    m.head(unit(m, product, 8, "out"))


def transposed(m: FloatModel) -> None:
    x = unit(m, "images", 3, "a")
    weight = m.constant(m.rng.normal(0, 0.5, (8, 4, 2, 2)).astype(np.float32))
    up = m.node("ConvTranspose", [x, weight], "up", kernel_shape=[2, 2], strides=[2, 2])
    m.head(m.swish(up))
    m.head(unit(m, x, 8, "b"))


def averages(m: FloatModel) -> None:
    x = unit(m, "images", 3, "a")
    m.head(unit(m, m.node("AveragePool", [x], "average", kernel_shape=[2, 2], strides=[2, 2]), 8, "b"))
    m.head(unit(m, x, 8, "c"))
    m.head(unit(m, m.node("GlobalAveragePool", [unit(m, "images", 3, "d")], "global"), 8, "e"))


def graph_of(path: Path, build: Build) -> FloatGraph:
    m = FloatModel()
    build(m)
    return simplify(read_float_graph(m.save(path)))


FINE = {"fine_out0", "fine/mul_out0"}
CASES: list[tuple[Build, dict[str, dict[str, str]], set[str]]] = [  # as the vendor's compiler does it
    (chain, {"b": OUTPUT}, {"b_out0"}),
    (chain, {"b/mul": INPUT}, {"b_out0"}),
    (chain, {"b/mul": OUTPUT}, {"b_out0", "b/mul_out0"}),
    (chain, {"c": INPUT}, {"b_out0", "b/mul_out0"}),
    (chain, {"b": BOTH}, {"a_out0", "a/mul_out0", "b_out0"}),
    (chain, {"a": INPUT}, {"images"}),
    (chain, {"b": {"ON": "BPU"}}, set()),
    (
        bottleneck,
        {"split": INPUT},
        {"stem_out0", "stem/mul_out0", "split_out0", "split_out1", "concat_out0", "add_out0", "mul_10_out0"},
    ),
    (pyramid, {"out": INPUT}, {*FINE, "concat_out0", "pool_out0"}),  # the Resize and what it reads stay int8
    (pyramid, {"low": INPUT}, {"deep_out0", "deep/mul_out0"}),  # beside a Resize, which takes 8 bits of it
    (neck, {"low": INPUT}, {"deep_out0", "deep/mul_out0", "other_out0", "other/mul_out0", "concat2_out0"}),
    (arithmetic, {"total": OUTPUT}, {"total_out0"}),
    (arithmetic, {"total": {"InputType1": "int16"}}, {"b_out0", "b/mul_out0"}),
    (arithmetic, {"total": INPUT}, {"a_out0", "a/mul_out0", "b_out0", "b/mul_out0"}),
    (arithmetic, {"product": BOTH}, {"a_out0", "a/mul_out0", "total_out0", "product_out0"}),
    (transposed, {"b": INPUT}, {"a_out0", "a/mul_out0"}),
    (averages, {"c": INPUT}, {"a_out0", "a/mul_out0"}),
    (averages, {"average": OUTPUT}, {"average_out0"}),
    (averages, {"global": OUTPUT}, {"global_out0"}),
]


def test_names_in_the_bottleneck(tmp_path: Path) -> None:
    """The case above counts on the name of its nameless swish."""
    graph = graph_of(tmp_path / "m.onnx", bottleneck)
    concat = next(node for node in graph.nodes if node.name == "concat")
    assert concat.inputs == ("split_out0", "split_out1", "mul_10_out0")


@pytest.mark.parametrize(("build", "info", "expected"), CASES)
def test_what_a_request_makes_wide(
    tmp_path: Path, build: Build, info: dict[str, dict[str, str]], expected: set[str]
) -> None:
    graph = graph_of(tmp_path / "m.onnx", build)
    found = int16_tensors(graph, info)
    assert found == expected
    assert int16_tensors(graph, node_info_for(graph, found)) == expected


@pytest.mark.parametrize(("build", "info", "expected"), CASES)
def test_wide_tensors_are_finer(
    tmp_path: Path, build: Build, info: dict[str, dict[str, str]], expected: set[str]
) -> None:
    narrow = compare(tmp_path / "narrow.onnx", build)
    wide = compare(tmp_path / "wide.onnx", build, node_info=info)
    for name in expected:
        assert wide.inner[name].dtype == np.int16
        assert np.abs(wide.inner[name].astype(int)).max() > 20000  # the range is used: thresholds are the maxima
        correlation = np.corrcoef(wide.inner[name].ravel(), narrow.inner[name].ravel())[0, 1]
        assert correlation > 0.995
    others = {name: kept.dtype for name, kept in wide.inner.items() if name not in expected}
    joined = others.keys() - narrow.inner.keys()  # in 8 bits a part of the sum behind
    assert joined <= {"m2_out0"} and all(others.pop(name) == np.int8 for name in joined)
    assert others == {name: narrow.inner[name].dtype for name in others}
    for name in wide.truth:
        errors = [np.linalg.norm(r.truth[name] - r.found[name]) / np.linalg.norm(r.truth[name]) for r in (narrow, wide)]
        assert errors[1] < errors[0] * 1.1 + 1e-3


def test_everything_wide_leaves_the_error_of_the_weights(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        x = unit(m, "images", 3, "a")
        m.head(unit(m, m.node("Add", [x, unit(m, x, 8, "b")], "add"), 8, "c"))

    narrow = compare(tmp_path / "narrow.onnx", build)
    graph = graph_of(tmp_path / "m.onnx", build)
    wide = compare(tmp_path / "wide.onnx", build, node_info=node_info_for(graph, int16_everywhere(graph)))
    off = [np.abs(r.truth["output_0"] - r.found["output_0"]).mean() for r in (narrow, wide)]
    assert off[1] < 0.6 * off[0]
    assert all(kept.dtype == np.int16 for kept in wide.inner.values())


REFUSED: list[tuple[Build, dict[str, dict[str, str]], str, str]] = [
    (chain, {"bb": OUTPUT}, "node_info names 'bb'", "did you mean 'b'"),
    (chain, {"b/sig": OUTPUT}, "'b/sig' (Sigmoid), which becomes part of another", "the Mul that ends a swish"),
    (chain, {"b": {"ON": "CPU"}}, "puts 'b' on 'CPU'", "hb_mapper"),
    (chain, {"b": {"OutputType": "int8"}}, "sets OutputType of 'b' to 'int8'", "hb_mapper"),
    (chain, {"b": {"InputType1": "int16"}}, "InputType1 of 'b' (Conv)", "it has 1 of them"),
    (chain, {"b/mul": {"InputType1": "int16"}}, "InputType1 of 'b/mul' (Mul)", "it has 1 of them"),
    (pyramid, {"up": OUTPUT}, "'up_out0' comes from 'up' (Resize)", "hb_mapper"),
    (pyramid, {"up": INPUT}, "InputType of 'up' (Resize)", "hb_mapper"),
    (neck, {"deep/mul": OUTPUT}, "'deep/mul' (Mul), which is read by an int8 operation", "InputType"),
    (transposed, {"up": OUTPUT}, "'up_out0' comes from 'up' (ConvTranspose)", "hb_mapper"),
    (averages, {"d/mul": OUTPUT}, "is read by 'global' (GlobalAveragePool)", "hb_mapper"),
    (averages, {"average": INPUT}, "InputType of 'average' (AveragePool)", "hb_mapper"),
    (bottleneck, {"m2": OUTPUT}, "'m2_out0' goes into 'add' (Add) alone", "hb_mapper"),
    (bottleneck, {"to_output_0": OUTPUT}, "'to_output_0' (Transpose), which becomes part", "the convolution"),
]


@pytest.mark.parametrize(("build", "info", "words", "hint"), REFUSED)
def test_what_the_board_does_not_do_is_refused(
    tmp_path: Path, build: Build, info: dict[str, dict[str, str]], words: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as error:
        int16_tensors(graph_of(tmp_path / "m.onnx", build), info)
    assert words in str(error.value) and hint in error.value.hint


def test_a_table_does_not_make_int16_of_int8(tmp_path: Path) -> None:
    from edgekit.sim.compiler.quantize import quantize
    from tests.sim.compiler.emit.test_preprocess import image

    graph = graph_of(tmp_path / "m.onnx", chain)
    plan = plan_scales(graph, int16={"b/mul_out0"})  # not closed
    with pytest.raises(ModelError, match="would make int16 of int8"):
        quantize(graph, plan, plan.scales(dict.fromkeys(plan.observed, 1.0)), image("rgb"))


@pytest.mark.parametrize("family", ["yolov8", "yolov9", "yolo11", "yolo26"])
def test_every_choice_can_be_asked_for(tmp_path: Path, family: str) -> None:
    folder = make_work(tmp_path / "work", family=family, task="segment").parent
    graph = simplify(read_float_graph(folder / "tiny_heads.onnx"))
    plan = plan_scales(graph)
    choices = precision_groups(graph, plan)
    assert len(choices) > 10 and len({choice.node for choice in choices}) == len(choices)
    wide = {name for name, bits in plan.bits.items() if bits == 16}
    for choice in choices:
        info = node_info_for(graph, choice.tensors)
        assert int16_tensors(graph, info) - wide == choice.tensors
        plan_scales(graph, int16=choice.tensors)
    everything = frozenset().union(*(choice.tensors for choice in choices))
    assert int16_tensors(graph, node_info_for(graph, everything)) == everything


def test_choices_leave_out_what_is_wide_already(tmp_path: Path) -> None:
    graph = graph_of(tmp_path / "m.onnx", chain)
    nodes = [choice.node for choice in precision_groups(graph, plan_scales(graph))]
    assert nodes == ["HZ_PREPROCESS_FOR_images", "a", "a/mul", "b", "b/mul"]
    assert [c.node for c in precision_groups(graph, plan_scales(graph, int16_tail=False))][-2:] == ["c", "c/mul"]


def test_outputs_in_int16_are_no_accumulators(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        m.head(m.conv(unit(m, "images", 3, "a"), 8, 4, name="head"))

    graph = graph_of(tmp_path / "m.onnx", build)
    assert int16_outputs(graph) == {"head_out0"}
    assert plan_scales(graph, int16=int16_outputs(graph)).bits["head_out0"] == 16
    result = compare(tmp_path / "m.onnx", build, node_info={"head": OUTPUT})
    assert result.inner["head_out0"].dtype == np.int16


def test_only_accumulators_that_leave_can_be_shortened(tmp_path: Path) -> None:
    """Not a head that a table makes, whose integers have 16 bits already."""

    def two_heads(m: FloatModel) -> None:
        x = m.swish(m.conv("images", 3, 8, k=3, name="first"))
        m.head(m.conv(x, 8, 6, name="raw"))
        m.head(m.swish(m.conv(x, 8, 4, name="activated")))

    graph = graph_of(tmp_path / "m.onnx", two_heads)
    shortened = outputs_for_int16(graph)
    assert {node.name for node in graph.nodes if node.output in shortened} == {"raw"}
    info = node_info_for(graph, shortened)
    assert info == {"raw": {"ON": "BPU", "OutputType": "int16"}} and int16_tensors(graph, info) == shortened
    result = compare(tmp_path / "m.onnx", two_heads, node_info=info)
    assert result.inner["raw_out0"].dtype == np.int16


def test_a_large_bias_keeps_its_weights_apart_in_int16(tmp_path: Path) -> None:
    """With an int16 input an accumulator step is 256 times smaller: bias limits of int8 would spoil the weights."""

    def build(m: FloatModel) -> None:
        x = unit(m, "images", 3, "a")
        weight = m.rng.normal(0, 0.05, (8, 8, 1, 1)).astype(np.float32)
        y = m.node("Conv", [x, m.constant(weight), m.constant(np.full(8, 40.0, np.float32))], "b", kernel_shape=[1, 1])
        m.head(y)

    result = compare(tmp_path / "m.onnx", build, node_info={"b": INPUT})
    centred = result.truth["output_0"] - 40.0
    assert np.abs(result.found["output_0"] - 40.0 - centred).max() < 0.1 * np.abs(centred).max()


def test_what_the_board_is_deaf_to_is_asked_for_behind_it(tmp_path: Path) -> None:
    """Its compiler leaves `deep` in int8 where its own OutputType is asked for, as only Resize and Concat read it."""
    graph = graph_of(tmp_path / "m.onnx", neck)
    assert node_info_for(graph, int16_tensors(graph, {"low": INPUT})) == {"low": INPUT}


@pytest.mark.parametrize("info", [{"b": INPUT}, {"b": BOTH}], ids=["to 8 bits", "to 16 bits"])
@pytest.mark.parametrize(("second", "raised"), [(-0.7, True), (None, False)], ids=["cancels", "adds up"])
def test_a_range_too_small_for_16_bit_inputs_is_raised_and_rescaled(
    tmp_path: Path, info: dict[str, dict[str, str]], second: float | None, raised: bool
) -> None:
    """What of a channel's input its own weight lets through exceeds the result's range where others take it back."""

    def build(m: FloatModel) -> None:
        x = unit(m, "images", 3, "a")
        y = m.node("Concat", [x, x], "twice", axis=1)
        one = np.eye(8) if second else np.ones((8, 8))
        weight = np.concatenate([one, one * (second or 1)], axis=1)[..., None, None].astype(np.float32)
        y = m.node("Conv", [y, m.constant(weight)], "b", kernel_shape=[1, 1])
        m.head(m.swish(y))

    result = compare(tmp_path / "m.onnx", build, node_info=info)
    assert ("HzRequantize" in result.ops) == raised
    error = np.abs(result.found["output_0"] - result.truth["output_0"]).max()
    assert error < 0.02 * np.abs(result.truth["output_0"]).max()


def test_more_tensors_get_16_bits_where_the_bpu_has_them(tmp_path: Path) -> None:
    """Attention's sums besides those of the yaml; nothing on a march with 8 bits alone."""
    for march in ("bayes-e", "bernoulli2"):
        model = prepare_model(load_job(make_work(tmp_path / march, family="yolo11", march=march)))
        sums = attention_sums(model.graph)
        assert sums and all(model.plan.bits[name] == 8 for name in sums)
        wide = {name for name, bits in with_int16(model, sums).plan.bits.items() if bits == 16}
        before = {name for name, bits in model.plan.bits.items() if bits == 16}
        assert wide == (before | sums if march == "bayes-e" else before)
        assert with_int16(model, ()) is model
