"""Classifiers: the logits before the softmax, the last matrix product written as a 1x1 convolution."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.host.cut.found import FoundHeads, float_input, tool_versions
from edgekit.host.cut.heads import NOT_YOLO_HINT
from edgekit.host.cut.metadata import Metadata, class_names
from edgekit.host.graph import GraphIndex, attributes, tensor_shapes
from edgekit.spec import HeadSpec, ModelSpec, Preprocess

FLAT_OPS = ("Flatten", "Reshape", "Squeeze", "Dropout", "Identity")
LOGITS = "edgekit_logits"


def is_classifier(index: GraphIndex) -> bool:
    """One output of class scores (1, classes)."""
    outputs = index.model.graph.output
    return len(outputs) == 1 and len(outputs[0].type.tensor_type.shape.dim) == 2


def cut_classifier(index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int]) -> FoundHeads:
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
    return FoundHeads(
        model, spec, {"class": (tensor, shape)}, ("the softmax", "the flattening before the last product")
    )


def logits_as_convolution(index: GraphIndex, size_wh: tuple[int, int]) -> tuple[onnx.ModelProto, str, tuple[int, ...]]:
    """A copy whose tensor LOGITS (1, classes, 1, 1) holds the logits; returns it, the name and the shape.

    Raises ModelError where the graph does not end in pooled features, one matrix product and at most a softmax.
    """
    gemm = _last_product(index)
    pooled = gemm.input[0]
    while pooled in index.producers and index.producers[pooled].op_type in FLAT_OPS:
        pooled = index.producers[pooled].input[0]
    shape = tensor_shapes(index.model, [pooled], (1, 3, size_wh[1], size_wh[0]))[pooled]
    weight = _weight(index, gemm)
    if len(shape) != 4 or shape != (1, weight.shape[1], 1, 1):
        raise _no_classifier(f"features {shape}, expected pooled ones (1, {weight.shape[1]}, 1, 1)")
    model = onnx.ModelProto()
    model.CopyFrom(index.model)
    tensors = {f"{LOGITS}_weight": weight[:, :, None, None], f"{LOGITS}_bias": _bias(index, gemm, len(weight))}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in tensors.items())
    node = helper.make_node("Conv", [pooled, *tensors], [LOGITS], gemm.name or LOGITS, kernel_shape=[1, 1])
    model.graph.node.append(node)
    return model, LOGITS, (1, len(weight), 1, 1)


def _last_product(index: GraphIndex) -> onnx.NodeProto:
    name = index.output_names[0]
    node = index.producers.get(name)
    if node is not None and node.op_type == "Softmax":
        node = index.producers.get(node.input[0])
    if node is None or node.op_type != "Gemm":
        raise _no_classifier(f"{node.op_type if node is not None else 'nothing'} before the scores, expected Gemm")
    return node


def _weight(index: GraphIndex, gemm: onnx.NodeProto) -> np.ndarray:
    """(classes, features) float32, the factor alpha included."""
    values = attributes(gemm)
    weight = index.constants.get(gemm.input[1])
    if weight is None or values.get("transA", 0):
        raise _no_classifier("a matrix product of computed weights, expected constant ones")
    turned = weight if values.get("transB", 0) else weight.T
    return np.ascontiguousarray(turned * np.float32(values.get("alpha", 1.0)), np.float32)


def _bias(index: GraphIndex, gemm: onnx.NodeProto, classes: int) -> np.ndarray:
    bias = index.constants.get(gemm.input[2]) if len(gemm.input) > 2 else np.zeros(classes, np.float32)
    if bias is None:
        raise _no_classifier("a computed bias, expected a constant one")
    return np.broadcast_to(bias * np.float32(attributes(gemm).get("beta", 1.0)), classes).astype(np.float32)


def _no_classifier(found: str) -> ModelError:
    return ModelError(f"this ONNX does not look like a YOLO classifier: found {found}", hint=NOT_YOLO_HINT)
