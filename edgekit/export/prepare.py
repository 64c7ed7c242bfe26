"""The passes before the cut: one image of a fixed size, and constants where only shapes were computed."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.errors import ModelError
from edgekit.export.batch import first_image
from edgekit.export.half_precision import holds_halves, to_single
from edgekit.export.metadata import read_metadata
from edgekit.graph.onnx_graph import (
    GraphIndex,
    declared_shape,
    extract,
    graph_inputs,
    index_graph,
    open_session,
    reachable,
)
from edgekit.spec import InputKind

MAX_BATCH = 64
MAX_SIDE = 16384  # pixels, as --imgsz takes
INPUT_KINDS: dict[int, InputKind] = {3: "rgb", 1: "gray"}


def fix_input(model: onnx.ModelProto, imgsz_hw: tuple[int, int] | None) -> tuple[onnx.ModelProto, tuple[int, int]]:
    """A copy with the one input (1, channels, H, W) in float32, half precision made single, and its size (W, H).

    Raises ModelError where the input is of another kind, its size is open and neither `imgsz_hw` nor
    the metadata say which, the two contradict each other, or a batch above 1 cannot be made 1.
    """
    inputs = graph_inputs(model)
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs) or "none"
        raise ModelError(
            f"the graph has {len(inputs)} inputs ({names}), expected one image",
            hint="cut it with edgekit cut --task raw, whose outputs stay arrays, or export one model alone",
        )
    shape = declared_shape(inputs[0])
    if len(shape) != 4 or (shape[1] not in (0, *INPUT_KINDS)):
        raise ModelError(
            f"input {inputs[0].name!r} is {shape}, expected (1, 3, height, width)", hint="export the model as NCHW"
        )
    if holds_halves(model):
        model = to_single(model)
        inputs = graph_inputs(model)
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        element = inputs[0].type.tensor_type.elem_type
        kind = dict(map(reversed, onnx.TensorProto.DataType.items())).get(element, f"of element type {element}")
        raise ModelError(f"input {inputs[0].name!r} is {kind}, expected FLOAT", hint="export with int8=False")
    batch = shape[0] or 1
    if not 1 <= batch <= MAX_BATCH:
        raise ModelError(f"input {inputs[0].name!r} has batch {batch}, expected 1", hint="export with batch=1")
    height, width = _size_hw(model, shape[2:], imgsz_hw)
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for dim, value in zip(
        graph_inputs(fixed)[0].type.tensor_type.shape.dim, (batch, shape[1] or 3, height, width), strict=True
    ):
        dim.Clear()
        dim.dim_value = value
    del fixed.graph.value_info[:]  # shapes written for another size would contradict
    return (first_image(fold_constants(fixed), batch) if batch > 1 else fixed), (width, height)


def input_notes(model: onnx.ModelProto, imgsz_hw: tuple[int, int] | None) -> tuple[str, ...]:
    """What `fix_input` decides by itself: the size of an input that leaves its own open, and the batch."""
    shape, notes = declared_shape(graph_inputs(model)[0]), []
    if shape[0] > 1:
        notes.append(f"exported for {shape[0]} images at once; cut to one")
    if 0 in shape[2:] and imgsz_hw is None:
        height, width = read_metadata(model).imgsz_hw
        notes.append(f"height and width are open; fixed at {height},{width}, which the export names (imgsz)")
    return tuple(notes)


def fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which everything that does not depend on the image's values is an initializer.

    That is what exports compute from shapes (Shape, Gather, Concat, ...): with a fixed input they never change.
    """
    index = index_graph(model)
    alive = set().union(*(reachable(index, value.name) for value in graph_inputs(model)))
    frozen = _frozen_inputs(index, alive)
    if not frozen:
        return model
    feeds = {value.name: np.zeros(declared_shape(value), np.float32) for value in graph_inputs(model)}
    probe = extract(model, {}, frozen)
    values = open_session(probe)({i.name: feeds[i.name] for i in graph_inputs(probe)})
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    folded.graph.initializer.extend(numpy_helper.from_array(np.asarray(values[name]), name) for name in frozen)
    kept = [node for node in model.graph.node if any(name in alive for name in node.output)]
    del folded.graph.node[:]
    folded.graph.node.extend(kept)
    return folded


def _frozen_inputs(index: GraphIndex, alive: set[str]) -> list[str]:
    """Computed tensors that living nodes read though they do not depend on the image's values."""
    dynamic_nodes = {
        name
        for node in index.model.graph.node
        if any(o in alive for o in node.output)
        for name in node.input
        if name in index.producers and name not in alive
    }
    return sorted(dynamic_nodes, key=index.order.__getitem__)


def _size_hw(model: onnx.ModelProto, declared_hw: tuple[int, ...], imgsz_hw: tuple[int, int] | None) -> tuple[int, int]:
    name = graph_inputs(model)[0].name
    if imgsz_hw is None and 0 in declared_hw:
        named = read_metadata(model).imgsz_hw
        if len(named) != 2 or any(d not in (0, n) for d, n in zip(declared_hw, named, strict=True)):
            raise ModelError(
                f"input {name!r} has an open height or width, expected a fixed size",
                hint="say which: edgekit cut --imgsz 640,640, or export with dynamic=False",
            )
        imgsz_hw = (named[0], named[1])
    height, width = imgsz_hw or (declared_hw[0], declared_hw[1])
    if any(d not in (0, requested) for d, requested in zip(declared_hw, (height, width), strict=True)):
        raise ModelError(
            f"--imgsz {height},{width} does not fit: the graph's input is fixed at "
            f"{declared_hw[0]},{declared_hw[1]} (height, width)",
            hint="leave --imgsz out, or export the model at the size that you want",
        )
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise ModelError(
            f"input {name!r} is {height}x{width} (height x width), expected sides of 1 to {MAX_SIDE}",
            hint="export the model at the size of the board's images, such as 640",
        )
    return height, width
