"""Exports of a fixed batch above 1, made one image's: the board and edgekit work image by image.

Exporters write the batch into constants wherever a shape is spelled out. It always leads: as a side of its own, or
merged with another (N * heads). Where NMS is inside, its images are unrolled one after the other; here each of
them becomes the first. The result is held against the original, image by image.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgekit.errors import ModelError
from edgekit.graph.onnx_graph import GraphIndex, attributes, declared_shape, graph_inputs, index_graph, open_session

TOLERANCE = 1e-3  # of the largest value: sums in another order
SHAPES = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0}  # op -> which input spells out a shape
Array = npt.NDArray[np.generic]


def first_image(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """A copy of `model`, whose input is fixed at (batch, c, h, w) and whose shapes are constants, with batch 1.

    Raises ModelError where the copy does not give the first image's outputs.
    """
    index = index_graph(model)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    shapes = {v.name: declared_shape(v) for v in values} | {n: c.shape for n, c in index.constants.items()}
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for node in single.graph.node:
        for position, value in _rewritten(node, index, shapes, batch).items():
            name = f"{node.output[0]}_single_{position}"
            node.input[position] = name
            single.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    graph_inputs(single)[0].type.tensor_type.shape.dim[0].dim_value = 1
    for output in single.graph.output:
        if declared_shape(output)[:1] == (batch,):
            output.type.tensor_type.shape.dim[0].dim_value = 1
    del single.graph.value_info[:]
    _prove(model, single)
    return single


def _rewritten(
    node: onnx.NodeProto, index: GraphIndex, shapes: Mapping[str, tuple[int, ...]], batch: int
) -> dict[int, Array]:
    """The inputs of `node` that hold the batch, and what they hold for one image."""
    constants = {i: index.constants[name] for i, name in enumerate(node.input) if name in index.constants}
    led = [name for name in node.input if name not in index.constants and shapes.get(name, (0,))[:1] == (batch,)]
    spelled = SHAPES.get(node.op_type)
    if spelled is not None:
        shape = constants.get(spelled)
        sides = np.array([]) if shape is None else shape.ravel()
        merged = sides.size > 0 and sides[0] > 0 and sides[0] % batch == 0
        return {spelled: np.array([sides[0] // batch, *sides[1:]], np.int64)} if merged else {}
    if node.op_type == "Gather":
        picked = constants.get(1)
        along = attributes(node).get("axis", 0) == 0 and led == [node.input[0]]
        return {1: np.zeros_like(picked)} if along and picked is not None and picked.ndim == 0 else {}
    if node.op_type == "ScatterND":
        start, indices = constants.get(0), constants.get(1)
        changed: dict[int, Array] = {}
        if indices is not None and shapes.get(node.input[0], (0,))[0] == batch:
            changed[1] = np.concatenate([np.zeros_like(indices[..., :1]), indices[..., 1:]], axis=-1)
        return changed | ({0: start[:1]} if start is not None and start.shape[:1] == (batch,) else {})
    return {
        i: value[:1]
        for i, value in constants.items()
        if led and value.ndim == len(shapes[led[0]]) > 2 and len(value) == batch and (value == value[:1]).all()
    }


def _prove(model: onnx.ModelProto, single: onnx.ModelProto) -> None:
    """One image alone must give what it gives as the first of several."""
    value = graph_inputs(model)[0]
    images = np.random.default_rng(5).random(declared_shape(value), np.float32)
    before, after = open_session(model)({value.name: images}), open_session(single)({value.name: images[:1]})
    for name, expected in before.items():
        first, actual = expected[:1], after[name]
        same = actual.shape == first.shape
        scale = max(1.0, float(np.abs(first).max(initial=0)))
        if not same or not float(np.abs(actual - first).max(initial=0)) <= TOLERANCE * scale:
            raise ModelError(
                f"batch {len(expected)} cannot be made 1: output {name!r} of the first image changes",
                hint="export with batch=1 (or dynamic=True)",
            )
