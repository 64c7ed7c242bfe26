"""Classifiers: the scores before the softmax, matrix products written as convolutions."""

from __future__ import annotations

import onnx

from edgekit.errors import ModelError
from edgekit.export.flat_products import FLAT_OPS, Maps, flat_maps, input_shape, prove_maps
from edgekit.export.head_location import NOT_YOLO_HINT
from edgekit.export.head_match import HeadMatch, float_input, tool_versions
from edgekit.export.metadata import Metadata, class_names
from edgekit.graph.onnx_graph import GraphIndex, tensor_shapes
from edgekit.spec import HeadSpec, ModelSpec, Preprocess

PRODUCTS = ("Gemm", "MatMul", "Add")  # an Add of constants behind a MatMul


def is_classifier(index: GraphIndex) -> bool:
    """One output (1, classes) that a matrix product makes, with or without a softmax."""
    outputs = index.model.graph.output
    single = len(outputs) == 1 and len(outputs[0].type.tensor_type.shape.dim) == 2
    node = index.producers.get(logits_of(index)) if single else None
    if node is None or node.op_type not in PRODUCTS:
        return False
    behind_product = node.op_type != "Add" or any(
        index.producers[name].op_type == "MatMul" for name in node.input if name in index.producers
    )
    return behind_product and any(name in index.constants for name in node.input)


def logits_of(index: GraphIndex) -> str:
    """The tensor of the scores: the first output, or what its softmax reads."""
    name = _original(index, index.output_names[0])
    node = index.producers.get(name)
    return _original(index, str(node.input[0])) if node is not None and node.op_type == "Softmax" else name


def _original(index: GraphIndex, name: str) -> str:
    """What a tensor is a copy of: an output keeps its name by an Identity where Q/DQ pairs stood."""
    for _ in index.model.graph.node:  # no more steps than nodes, whatever a damaged graph is
        node = index.producers.get(name)
        if node is None or node.op_type != "Identity" or not node.input:
            break
        name = node.input[0]
    return name


def cut_classifier(index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int]) -> HeadMatch:
    """The logits of a classifier; raises ModelError where the graph is another or contradicts its metadata."""
    if metadata.task not in ("", "classify"):
        raise ModelError(f"metadata task {metadata.task!r}, but the graph is a classifier", hint="export again")
    model, tensor, classes = logits_as_map(index)
    names, notes = class_names(metadata, classes)
    spec = ModelSpec(
        task="classify",
        names=names,
        input=float_input(index),
        preprocess=Preprocess(*size_wh, fit="crop"),
        outputs=(HeadSpec("class", "class", (1, 1, 1, classes)),),
        family=metadata.family,
        tools=tool_versions(),
        notes=notes,
    )
    dropped = ("the softmax",) if logits_of(index) != index.output_names[0] else ()
    flat = ("the flattening before the last product",)
    return HeadMatch(model, spec, {"class": (tensor, (1, classes, 1, 1))}, (*dropped, *flat))


def logits_as_map(index: GraphIndex) -> tuple[onnx.ModelProto, str, int]:
    """A copy in which a map (1, classes, 1, 1) holds the logits; returns it, the map's name and the classes.

    Raises ModelError where the graph does not end in one score per class, computed from maps, or where the maps do
    not give the same numbers.
    """
    logits = logits_of(index)
    maps = flat_maps(index)
    tensor = _map_of(maps, index, logits)
    shape = tensor_shapes(maps.model, [tensor], input_shape(index))[tensor] if tensor else ()
    if len(shape) != 4 or shape[0] != 1 or shape[2:] != (1, 1):
        raise ModelError(
            f"output {index.output_names[0]!r} is no classifier's: its scores do not come from maps of pixels by "
            "products with constant weights",
            hint=NOT_YOLO_HINT,
        )
    prove_maps(index, maps.model, {logits: tensor})
    return maps.model, tensor, shape[1]


def _map_of(maps: Maps, index: GraphIndex, name: str) -> str:
    """The map of the scores; "" where there is none."""
    if name in maps.of:
        return maps.of[name]
    node = index.producers.get(name)
    return str(node.input[0]) if node is not None and node.op_type in FLAT_OPS else name
