"""Classifiers: the logits before the softmax, the last matrix product written as a 1x1 convolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export.head_location import NOT_YOLO_HINT
from edgekit.export.head_match import HeadMatch, float_input, tool_versions
from edgekit.export.metadata import Metadata, class_names
from edgekit.graph.onnx_graph import GraphIndex, attributes, extract, graph_inputs, open_session, tensor_shapes
from edgekit.spec import HeadSpec, ModelSpec, Preprocess

FLAT_OPS = ("Flatten", "Reshape", "Squeeze", "Dropout", "Identity")
LOGITS = "edgekit_logits"
TOLERANCE = 1e-4  # of the largest logit: float32 sums in another order
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Product:
    """The last layer: logits = weight (classes, features) @ features + bias (classes,); `output` names them."""

    features: str
    weight: Floats
    bias: Floats
    output: str
    name: str


def is_classifier(index: GraphIndex) -> bool:
    """One output (1, classes) that a matrix product makes, with or without a softmax."""
    outputs = index.model.graph.output
    single = len(outputs) == 1 and len(outputs[0].type.tensor_type.shape.dim) == 2
    return single and last_product(index) is not None


def cut_classifier(index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int]) -> HeadMatch:
    """The logits of a classifier; raises ModelError where the graph is another or contradicts its metadata."""
    model, tensor, shape = logits_as_convolution(index, size_wh)
    if metadata.task not in ("", "classify"):
        raise ModelError(f"metadata task {metadata.task!r}, but the graph is a classifier", hint="export again")
    names, notes = class_names(metadata, shape[1])
    spec = ModelSpec(
        task="classify",
        names=names,
        input=float_input(index),
        preprocess=Preprocess(*size_wh, fit="crop"),
        outputs=(HeadSpec("class", "class", (1, 1, 1, shape[1])),),
        family=metadata.family,
        tools=tool_versions(),
        notes=notes,
    )
    return HeadMatch(model, spec, {"class": (tensor, shape)}, ("the softmax", "the flattening before the last product"))


def logits_as_convolution(index: GraphIndex, size_wh: tuple[int, int]) -> tuple[onnx.ModelProto, str, tuple[int, ...]]:
    """A copy whose tensor LOGITS (1, classes, 1, 1) holds the logits; returns it, the name and the shape.

    Raises ModelError where the graph does not end in pooled features, one matrix product and at most a softmax,
    or where the convolution does not give the product's numbers.
    """
    product = last_product(index)
    if product is None:
        raise _no_classifier("no matrix product of constant weights before the scores")
    pooled = product.features
    while pooled in index.producers and index.producers[pooled].op_type in FLAT_OPS:
        pooled = index.producers[pooled].input[0]
    image_shape = (1, 3, size_wh[1], size_wh[0])
    shape = tensor_shapes(index.model, [pooled], image_shape)[pooled]
    classes, features = product.weight.shape
    if shape != (1, features, 1, 1):
        raise _no_classifier(f"features {shape}, expected pooled ones (1, {features}, 1, 1)")
    model = onnx.ModelProto()
    model.CopyFrom(index.model)
    tensors = {f"{LOGITS}_weight": product.weight[:, :, None, None], f"{LOGITS}_bias": product.bias}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in tensors.items())
    node = helper.make_node("Conv", [pooled, *tensors], [LOGITS], f"{product.name or LOGITS}/Conv", kernel_shape=[1, 1])
    model.graph.node.append(node)
    _prove_logits(model, product, image_shape)
    return model, LOGITS, (1, classes, 1, 1)


def last_product(index: GraphIndex) -> Product | None:
    """The matrix product that makes the output, seen through a softmax; None where something else does."""
    node = index.producers.get(index.output_names[0])
    if node is not None and node.op_type == "Softmax":
        node = index.producers.get(node.input[0])
    reader = PRODUCTS.get(node.op_type) if node is not None else None
    return reader(index, node) if reader and node is not None else None


def _gemm(index: GraphIndex, node: onnx.NodeProto) -> Product | None:
    values, weight = attributes(node), index.constants.get(node.input[1])
    bias = index.constants.get(node.input[2]) if len(node.input) > 2 else np.zeros(1, np.float32)
    if weight is None or bias is None or values.get("transA", 0):
        return None
    weight = (weight if values.get("transB", 0) else weight.T) * np.float32(values.get("alpha", 1.0))
    return _product(node.input[0], weight, bias * np.float32(values.get("beta", 1.0)), node)


def _matmul_add(index: GraphIndex, node: onnx.NodeProto) -> Product | None:
    """What simplifiers make of a Gemm."""
    for a, b in (node.input, reversed(node.input)):
        product, bias = index.producers.get(a), index.constants.get(b)
        if product is not None and product.op_type == "MatMul" and bias is not None:
            weight = index.constants.get(product.input[1])
            return None if weight is None else _product(product.input[0], weight.T, bias, node)
    return None


def _product(features: str, weight: Floats, bias: Floats, node: onnx.NodeProto) -> Product | None:
    if weight.ndim != 2 or bias.size not in (1, len(weight)):
        return None
    full = np.broadcast_to(bias.reshape(-1), len(weight)).astype(np.float32)
    return Product(features, np.ascontiguousarray(weight, np.float32), full, node.output[0], node.name)


PRODUCTS: dict[str, Callable[[GraphIndex, onnx.NodeProto], Product | None]] = {"Gemm": _gemm, "Add": _matmul_add}


def _prove_logits(model: onnx.ModelProto, product: Product, image_shape: tuple[int, ...]) -> None:
    """The convolution's numbers must be the product's, on an image of noise."""
    name = graph_inputs(model)[0].name
    image = np.random.default_rng(0).random(image_shape, np.float32)
    values = open_session(extract(model, {}, [product.output, LOGITS]))({name: image})
    difference = float(np.abs(values[LOGITS].ravel() - values[product.output].ravel()).max())
    if not difference <= TOLERANCE * max(1.0, float(np.abs(values[product.output]).max())):
        raise _no_classifier(f"logits that differ by {difference:.3g} once the product is a convolution")


def _no_classifier(actual: str) -> ModelError:
    return ModelError(f"this ONNX does not look like a YOLO classifier: found {actual}", hint=NOT_YOLO_HINT)
