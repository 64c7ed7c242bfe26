"""Inner tensors of the float model: those that were asked for, by name, in running order, and dropped after use."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.graph.float_runner import NODES, FloatRunner, _Segment
from edgekit.graph.session import onnxruntime_session
from edgekit.graph.single_precision import inverse_root, silu
from tests.sim.compiler.graphs import HEIGHT, WIDTH, FloatModel

RNG = np.random.default_rng(0)
IMAGE = RNG.random((1, 3, HEIGHT, WIDTH), np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    model = FloatModel()
    model.head(model.swish(model.conv("images", 3, 4, name="first")))
    return model.save(tmp_path / "tiny.onnx")


def saved(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], output: str) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def test_only_what_was_asked_for_is_given(path: Path) -> None:
    assert [name for name, _ in FloatRunner(path, ["first_out0"]).run(IMAGE)] == ["first_out0"]
    assert list(FloatRunner(path, ["images"]).run(IMAGE)) == []  # the input is known already
    assert list(FloatRunner(path, []).run(IMAGE)) == []


def test_all_tensors_are_those_of_the_whole_model(path: Path) -> None:
    model = onnx.load(path)
    names = [name for node in model.graph.node for name in node.output]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime_session(model.SerializeToString(), exact=True)
    expected = dict(zip(names, session.run(names, {"images": IMAGE}), strict=True))
    found = dict(FloatRunner(path, names).run({"images": IMAGE}))
    assert set(found) == set(names) and len(names) > 3
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=2e-6, atol=2e-6)
    assert np.array_equal(found["first_out0"], expected["first_out0"])


def test_activations_are_to_the_last_digit(path: Path, tmp_path: Path) -> None:
    model = onnx.load(path)
    product = next(node for node in model.graph.node if node.op_type == "Mul")
    source = next(node.input[0] for node in model.graph.node if node.op_type == "Sigmoid")
    found = dict(FloatRunner(path, [source, product.output[0]]).run(IMAGE))
    assert np.array_equal(found[product.output[0]], silu(found[source]))

    nodes = [helper.make_node("Sqrt", ["x"], ["r"]), helper.make_node("Reciprocal", ["r"], ["y"])]
    x = RNG.uniform(0.1, 9, (1, 4)).astype(np.float32)
    rooted = dict(FloatRunner(saved(tmp_path / "root.onnx", nodes, {}, "y"), ["y"]).run(x))
    assert np.array_equal(rooted["y"], inverse_root(x)) and set(rooted) == {"y"}


def test_a_sigmoid_that_something_else_reads_stays(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["s"]),
        helper.make_node("Mul", ["x", "s"], ["y"]),
        helper.make_node("Mul", ["y", "s"], ["z"]),  # of another tensor: no SiLU
        helper.make_node("Add", ["z", "bias"], ["w"]),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"bias": np.ones(4, np.float32)}, "w")
    x = RNG.normal(0, 3, (1, 4)).astype(np.float32)
    found = dict(FloatRunner(path, ["s", "w"]).run(x))
    sigmoid = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(found["s"], sigmoid, rtol=1e-5)  # onnxruntime's own
    np.testing.assert_allclose(found["w"], x * sigmoid * sigmoid + 1, rtol=1e-5)


def test_constants_and_shapes_cross_the_parts(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.full((1, 4), 2, np.float32))),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Mul", ["x", "two"], ["d"]),
        helper.make_node("Sigmoid", ["d"], ["s"]),
        helper.make_node("Mul", ["s", "d"], ["y"]),
        helper.make_node("Mul", ["y", "two"], ["e"]),
        helper.make_node("Reshape", ["e", "shape"], ["z"]),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {}, "z")
    x = RNG.normal(0, 3, (1, 4)).astype(np.float32)
    found = dict(FloatRunner(path, ["z", "two"]).run(x))
    assert np.array_equal(found["z"], 2 * silu(2 * x)) and found["two"].tolist() == [[2.0] * 4]


def test_a_branch_reads_what_it_captures(tmp_path: Path) -> None:
    def branch(op: str) -> onnx.GraphProto:
        out = [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)]
        return helper.make_graph([helper.make_node(op, ["y"], ["o"])], op, [], out)

    nodes = [
        helper.make_node("Sigmoid", ["x"], ["s"]),
        helper.make_node("Mul", ["x", "s"], ["y"]),
        helper.make_node("If", ["flag"], ["z"], then_branch=branch("Neg"), else_branch=branch("Abs")),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"flag": np.array(True)}, "z")
    x = RNG.normal(0, 3, (1, 4)).astype(np.float32)
    assert np.array_equal(dict(FloatRunner(path, ["z"]).run(x))["z"], -silu(x))


def test_a_product_that_gives_nothing_is_passed_over(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["s"]),
        helper.make_node("Mul", ["x", "s"], []),
        helper.make_node("Neg", ["x"], ["y"]),
    ]
    x = np.ones((1, 4), np.float32)
    assert np.array_equal(dict(FloatRunner(saved(tmp_path / "m.onnx", nodes, {}, "y"), ["y"]).run(x))["y"], -x)


def test_a_tensor_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(ModelError, match="has no tensor 'nowhere'"):
        FloatRunner(path, ["first_out0", "nowhere"])


def test_what_onnxruntime_cannot_run_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", [helper.make_node("NoSuchOperation", ["x"], ["y"])], {}, "y")
    with pytest.raises(ModelError, match="cannot be run by onnxruntime"):
        list(FloatRunner(path, ["y"]).run(np.zeros((1, 4), np.float32)))


def test_many_nodes_run_in_short_segments(tmp_path: Path) -> None:
    """A model without SiLU: no more than a few results are in memory together."""
    names = [f"t{index}" for index in range(3 * NODES + 1)]
    nodes = [helper.make_node("Neg", [x], [y]) for x, y in pairwise(["x", *names])]
    path = saved(tmp_path / "m.onnx", nodes, {}, names[-1])
    x = RNG.normal(0, 3, (1, 4)).astype(np.float32)
    runner = FloatRunner(path, names)
    assert [len(step.outputs) for step in runner._steps if isinstance(step, _Segment)] == [NODES] * 3 + [1]
    assert [value[0, 0] for _, value in runner.run(x)] == [-x[0, 0], x[0, 0]] * (len(names) // 2) + [-x[0, 0]]


def test_half_precision_stays_what_it_is(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Sigmoid", ["h"], ["s"]),
        helper.make_node("Mul", ["h", "s"], ["y"]),
        helper.make_node("Add", ["y", "bias"], ["z"]),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"bias": np.ones(4, np.float16)}, "z")
    x = RNG.normal(0, 3, (1, 4)).astype(np.float32)
    found = dict(FloatRunner(path, ["z"]).run(x))["z"]
    assert found.dtype == np.float16 and np.allclose(found, silu(x) + 1, atol=0.01)
