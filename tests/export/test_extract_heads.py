"""The cut itself: NHWC outputs, telling names, nothing left over."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.extract_heads import reroot
from tests.stock_rows import run_onnx


def _model() -> onnx.ModelProto:
    """Two convolutions, the second called as the first one's output will be."""
    weight = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["box_8"], "first", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["box_8"], ["r"], "second"),
        helper.make_node("Neg", ["r"], ["end"], "behind"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 6])],
        [helper.make_tensor_value_info("end", TensorProto.FLOAT, [1, 2, 4, 6])],
        [weight, numpy_helper.from_array(np.zeros(1, np.float32), "nobody")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    helper.set_model_props(model, {"names": "{0: 'a'}"})
    return model


def test_outputs_are_nhwc_under_new_names_even_where_those_are_taken() -> None:
    cut = reroot(_model(), {"class_8": ("box_8", (1, 2, 4, 6)), "box_8": ("r", (1, 2, 4, 6))})
    onnx.checker.check_model(cut)
    image = np.random.default_rng(0).normal(0, 1, (1, 3, 4, 6)).astype(np.float32)
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    expected = image.transpose(0, 2, 3, 1) @ weight.T
    values = run_onnx(cut, image)
    np.testing.assert_allclose(values["class_8"], expected, rtol=1e-5)
    np.testing.assert_allclose(values["box_8"], np.maximum(expected, 0), rtol=1e-5)


def test_what_is_behind_is_gone_and_metadata_stay() -> None:
    cut = reroot(_model(), {"box_8": ("r", (1, 2, 4, 6))})
    assert [n.op_type for n in cut.graph.node] == ["Conv", "Relu", "Transpose"]
    assert [i.name for i in cut.graph.initializer] == ["w"]
    assert cut.metadata_props[0].value == "{0: 'a'}"
    assert [d.dim_value for d in cut.graph.output[0].type.tensor_type.shape.dim] == [1, 4, 6, 2]
