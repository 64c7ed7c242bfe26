"""Open-vocabulary heads: similarity with constant embeddings, in every spelling, becomes a convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export import cut_graph
from edgekit.export.similarity import fold_similarities
from tests.stock_rows import LIMITS, differences, noise_image, run_onnx
from tests.tiny_yolo import tiny_yolo

CLASSES, EMBEDDING = 3, 16
Spelling = Callable[["Writer", str, tuple[int, int]], str]


class Writer:
    """Nodes of one head's similarity."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.rng = name, np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, op: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or f"{self.name}_{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], f"{output}_node", **attributes))
        return output

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"{self.name}_c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def embeddings(self, *shape: int) -> str:
        return self.constant(self.rng.normal(0, 0.5, shape))


def product_of_classes(w: Writer, x: str, size_hw: tuple[int, int]) -> str:
    flat = w.node("Reshape", [x, w.constant([1, EMBEDDING, -1], np.int64)])
    scores = w.node("MatMul", [w.embeddings(1, CLASSES, EMBEDDING), flat])
    grid = w.node("Reshape", [scores, w.constant([1, CLASSES, *size_hw], np.int64)])
    return w.node("Add", [w.node("Mul", [grid, w.constant(1.7)]), w.constant([-2.5])])


def product_of_cells(w: Writer, x: str, size_hw: tuple[int, int]) -> str:
    flat = w.node("Reshape", [x, w.constant([1, EMBEDDING, -1], np.int64)])
    scores = w.node("MatMul", [w.node("Transpose", [flat], perm=[0, 2, 1]), w.embeddings(EMBEDDING, CLASSES)])
    biased = w.node("Add", [scores, w.embeddings(CLASSES)])
    turned = w.node("Transpose", [biased], perm=[0, 2, 1])
    return w.node("Reshape", [turned, w.constant([1, CLASSES, *size_hw], np.int64)])


def einsum(w: Writer, x: str, size_hw: tuple[int, int]) -> str:
    scores = w.node("Einsum", [x, w.embeddings(1, CLASSES, EMBEDDING)], equation="bchw,bkc->bkhw")
    return w.node("Sub", [scores, w.constant(2.5)])


def behind_a_normalisation(w: Writer, x: str, size_hw: tuple[int, int]) -> str:
    parameters = [w.constant(w.rng.uniform(0.5, 1.5, EMBEDDING)) for _ in range(4)]
    return product_of_classes(w, w.node("BatchNormalization", [x, *parameters]), size_hw)


def normalized_cells(w: Writer, x: str, size_hw: tuple[int, int]) -> str:
    length = w.node("ReduceL2", [x], axes=[1], keepdims=1)
    return product_of_classes(w, w.node("Div", [x, length]), size_hw)


def open_vocabulary(spelling: Spelling, **options: Any) -> onnx.ModelProto:
    """A tiny export whose class convolutions give embeddings, compared with constant ones behind them."""
    model = tiny_yolo(num_classes=CLASSES, opset=13, size_wh=(96, 64), **options)
    weights = {i.name: i for i in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type != "Conv" or "cv3" not in node.name or "/conv/" in node.name or "proto" in node.name:
            continue
        scale = int(node.name.split("cv3.")[1][0])
        writer, output = Writer(node.name, scale), node.output[0]
        channels = weights[node.input[1]].dims[1]
        replaced = {1: writer.rng.normal(0, 0.6, (EMBEDDING, channels, 1, 1)), 2: writer.rng.normal(0, 0.3, EMBEDDING)}
        for position, value in replaced.items():
            weights[node.input[position]].CopyFrom(
                numpy_helper.from_array(value.astype(np.float32), node.input[position])
            )
        node.output[0] = f"{output}_embedding"
        last = spelling(writer, node.output[0], (8 >> scale, 12 >> scale))
        writer.nodes[-1].output[0] = output
        assert last != output
        nodes += writer.nodes
        model.graph.initializer.extend(writer.constants)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    onnx.checker.check_model(model)
    return model


SPELLINGS = (product_of_classes, product_of_cells, einsum, behind_a_normalisation)


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("task", ["detect", "segment"])
def test_the_heads_decode_to_the_stock_rows(spelling: Spelling, task: str) -> None:
    stock = open_vocabulary(spelling, task=task)
    cut = cut_graph(stock)
    assert not any(node.op_type in ("MatMul", "Einsum") for node in cut.model.graph.node)
    assert sum("embeddings" in text for text in cut.rewritten) == 3
    image = noise_image((96, 64))
    found = differences(run_onnx(stock, image), run_onnx(cut.model, image), cut.spec)
    assert all(found[kind] <= LIMITS[kind] for kind in found), found


def test_the_embedding_is_taken_into_the_similarity() -> None:
    """The class head is one convolution from the features to the classes, not one to the embedding and another."""
    cut = cut_graph(open_vocabulary(product_of_classes)).model
    makers = {name: node for node in cut.graph.node for name in node.output}
    shapes = {i.name: tuple(i.dims) for i in cut.graph.initializer}
    for stride in (8, 16, 32):
        conv = makers[makers[f"class_{stride}"].input[0]]
        assert conv.op_type == "Conv" and shapes[conv.input[1]] == (CLASSES, 8, 1, 1)


def test_features_that_are_normalized_per_cell_stay_so_in_front_of_the_head() -> None:
    stock = open_vocabulary(normalized_cells)
    cut = cut_graph(stock)
    makers = {name: node for node in cut.model.graph.node for name in node.output}
    head = makers[makers["class_8"].input[0]]
    assert head.op_type == "Conv" and makers[head.input[0]].op_type == "Div"
    image = noise_image((96, 64))
    assert differences(run_onnx(stock, image), run_onnx(cut.model, image), cut.spec)["score"] <= LIMITS["score"]


def test_words_at_run_time_are_named_and_refused() -> None:
    model = open_vocabulary(product_of_classes)
    words = [i for i in model.graph.initializer if tuple(i.dims) == (1, CLASSES, EMBEDDING)]
    for word in words:
        model.graph.initializer.remove(word)
        value = helper.make_tensor_value_info(word.name, onnx.TensorProto.FLOAT, list(word.dims))
        model.graph.input.append(value)
    with pytest.raises(ModelError, match="open-vocabulary model") as error:
        cut_graph(model)
    assert "set_classes" in (error.value.hint or "")


def test_a_graph_of_convolutions_is_left_alone() -> None:
    model = tiny_yolo(family="yolo11")
    assert fold_similarities(model) == (model, ())


def test_the_family_of_a_yoloe_is_that_of_its_backbone() -> None:
    model = open_vocabulary(product_of_classes)
    next(p for p in model.metadata_props if p.key == "description").value = "Ultralytics YOLOe-v8s model"
    assert cut_graph(model).spec.family == "yolov8"
