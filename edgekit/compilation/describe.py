"""What a model file is, with or without a sidecar: stock export, cut heads or quantized graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx

from edgekit.bpu import INPUT_TYPES
from edgekit.decode.roles import infer_roles, task_of_heads
from edgekit.errors import ModelError
from edgekit.export.already_cut import assumed, head_tensors, is_cut, keypoint_shape
from edgekit.export.cut import CutOptions, cut_graph
from edgekit.export.metadata import read_metadata
from edgekit.export.prepare import fix_input, fold_constants
from edgekit.graph.onnx_graph import (
    GraphIndex,
    attributes,
    declared_shape,
    graph_inputs,
    index_graph,
    is_horizon,
    load_model,
)
from edgekit.preprocess import ColorRange
from edgekit.spec import (
    HeadDtype,
    HeadSpec,
    InputKind,
    InputSpec,
    Layout,
    ModelSpec,
    Preprocess,
    Stage,
    load_spec,
    sidecar_path,
)
from edgekit.version import __version__

INTEGER_DTYPES: dict[int, HeadDtype] = {
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT16: "int16",
    onnx.TensorProto.INT8: "int8",
}
FEATUREMAP: tuple[InputKind, ColorRange] = ("featuremap", "full")
STALE_HINT = "remove the sidecar, or write it again: edgekit cut or edgekit compile"


def describe_model(path: Path, *, raw_outputs: bool = False, imgsz_hw: tuple[int, int] | None = None) -> ModelSpec:
    """Describe a model file: by the sidecar beside it if it fits, else by what the file itself shows.

    Args:
        path: A stock export, cut heads, a quantized graph, or a `.bin` with its sidecar.
        raw_outputs: Describe a quantized graph's outputs before their HzDequantize, as integers with scales: what the
            board gives once those nodes are removed.
        imgsz_hw: Height and width for an export that leaves them open.

    Returns:
        The sidecar; its `notes` say what was assumed.

    Raises:
        ModelError: The file is no model that edgekit knows, allows more than one reading, or a sidecar contradicts it.
    """
    path = Path(path)
    sidecar = sidecar_path(path)
    if path.suffix != ".onnx":
        return load_spec(sidecar)  # what is inside a .bin is for the compiler that wrote it to know
    model = load_model(path)
    if sidecar.exists():
        return _require_fit(load_spec(sidecar), model, path)
    stage = stage_of(model)
    return DESCRIBERS[stage](model, imgsz_hw, raw_outputs)


def is_quantized(path: Path) -> bool:
    """Return whether an ONNX file is a quantized graph; raises ModelError where it is none that can be read."""
    return is_horizon(load_model(Path(path)))


def stage_of(model: onnx.ModelProto) -> Stage:
    """Return "quantized", "heads" or "stock", by the graph alone."""
    if is_horizon(model):
        return "quantized"
    return "heads" if is_cut(index_graph(model)) else "stock"


def describe_quantized(model: onnx.ModelProto, *, raw_outputs: bool = False) -> ModelSpec:
    """The sidecar of a quantized graph (domain `horizon`) in memory; see `describe_model`."""
    index = index_graph(model)
    input_spec, preprocess, notes = _quantized_input(index)
    shapes = [(o.name, declared_shape(o)) for o in model.graph.output]
    aliases = {name: _quantized_names(index, name) for name, _ in shapes}
    metadata = read_metadata(model)
    heads = infer_roles(
        shapes, preprocess.size_wh, aliases=aliases, num_classes=len(metadata.names) or None, task=metadata.task
    )
    family, names, more = assumed(heads, metadata)
    if raw_outputs:
        heads = tuple(_raw_head(index, head) for head in heads)
    return ModelSpec(
        task=task_of_heads(heads),
        names=names,
        input=input_spec,
        preprocess=preprocess,
        outputs=heads,
        stage="quantized",
        family=family,
        reg_max=next((h.channels // 4 for h in heads if h.role == "box"), 1),
        keypoint_shape=keypoint_shape(heads, metadata),
        tools={"edgekit": __version__},
        notes=(*notes, *more),
    )


def _describe_stock(model: onnx.ModelProto, imgsz_hw: tuple[int, int] | None, _: bool) -> ModelSpec:
    """A stock export is described by the heads that the cut finds in it."""
    return replace(cut_graph(model, CutOptions(imgsz_hw=imgsz_hw, keep_softmax=True)).spec, stage="stock")


def _describe_heads(model: onnx.ModelProto, imgsz_hw: tuple[int, int] | None, _: bool) -> ModelSpec:
    fixed, size_wh = fix_input(model, imgsz_hw)
    index = index_graph(fold_constants(fixed))
    tensors, spec = head_tensors(index, read_metadata(model), size_wh)
    turned = [name for name, tensor in tensors.items() if name == tensor]
    if turned:
        spec = replace(spec, notes=(*spec.notes, f"NCHW outputs ({', '.join(turned)}); edgekit cut makes them NHWC"))
    return spec


def _describe_quantized(model: onnx.ModelProto, _: tuple[int, int] | None, raw_outputs: bool) -> ModelSpec:
    return describe_quantized(model, raw_outputs=raw_outputs)


DESCRIBERS: dict[Stage, Callable[[onnx.ModelProto, tuple[int, int] | None, bool], ModelSpec]] = {
    "stock": _describe_stock,
    "heads": _describe_heads,
    "quantized": _describe_quantized,
}


def _require_fit(spec: ModelSpec, model: onnx.ModelProto, path: Path) -> ModelSpec:
    """`spec` if it fits the graph; raises ModelError naming the first thing that contradicts it."""
    conflict = f"{sidecar_path(path)} contradicts {path.name}"
    value = graph_inputs(model)[0]
    if spec.input.name != value.name:
        raise ModelError(f"{conflict}: input {spec.input.name!r}, but the graph's is {value.name!r}", hint=STALE_HINT)
    sides = {d for d in declared_shape(value) if d}
    for side in spec.preprocess.size_wh:
        if 0 not in declared_shape(value) and side not in sides:
            size = "x".join(map(str, spec.preprocess.size_wh))
            raise ModelError(
                f"{conflict}: input size {size}, but the graph's input is {declared_shape(value)}", hint=STALE_HINT
            )
    if spec.stage == "stock":
        return spec
    shapes = {o.name: declared_shape(o) for o in model.graph.output}
    for head in spec.outputs:
        if shapes.get(head.name) != head.shape:
            actual = f"{shapes[head.name]}" if head.name in shapes else f"only {', '.join(shapes)}"
            raise ModelError(
                f"{conflict}: output {head.name!r} {head.shape}, but the graph gives {actual}", hint=STALE_HINT
            )
    classes = {h.channels for h in spec.outputs if h.role == "class"}
    if classes and classes != {spec.num_classes}:
        raise ModelError(
            f"{conflict}: {spec.num_classes} class names, but the class outputs have {sorted(classes)} channels",
            hint="fix `names` in the sidecar",
        )
    return spec


def _quantized_input(index: GraphIndex) -> tuple[InputSpec, Preprocess, tuple[str, ...]]:
    value = graph_inputs(index.model)[0]
    shape = declared_shape(value)
    if len(shape) != 4 or 0 in shape:
        raise ModelError(f"input {value.name!r} is {shape}, expected four fixed sides", hint="compile the model again")
    layout: Layout = "NCHW" if shape[1] in (1, 3) and shape[3] not in (1, 3) else "NHWC"
    height, width = shape[2:] if layout == "NCHW" else shape[1:3]
    types = [
        attributes(n)["input_type"].decode()
        for n in index.model.graph.node
        if n.op_type == "HzSQuantizedPreprocess" and "input_type" in attributes(n)
    ]
    if types and types[0] not in INPUT_TYPES:
        known = ", ".join(INPUT_TYPES)
        raise ModelError(f"input_type {types[0]!r} is unknown, expected one of {known}", hint="write a sidecar by hand")
    kind, color_range = INPUT_TYPES[types[0]] if types else FEATUREMAP
    notes = ("the input is taken for nv12; a yuv444 build has the same graph",) if kind == "nv12" else ()
    return InputSpec(value.name, kind, layout), Preprocess(width, height, color_range=color_range), notes


def _quantized_names(index: GraphIndex, output: str) -> str:
    """The names of the nodes that make an output, up to the first that is no HzDequantize or layout change."""
    names, node = [], index.producers.get(output)
    while node is not None:
        names.append(node.name)
        if node.op_type not in ("HzDequantize", "Transpose", "Reshape"):
            break
        node = index.producers.get(node.input[0])
    return " ".join(names)


def _raw_head(index: GraphIndex, head: HeadSpec) -> HeadSpec:
    """`head` as integers, where an HzDequantize makes it; a float output stays one."""
    node = index.producers[head.name]
    if node.op_type != "HzDequantize":
        return head
    types = {v.name: v.type.tensor_type.elem_type for v in index.model.graph.value_info}
    dtype = INTEGER_DTYPES.get(types.get(node.input[0], 0))
    scale = index.constants.get(node.input[1])
    if dtype is None or scale is None:
        return head
    axis = int(attributes(node).get("axis", 3)) if scale.size > 1 else 3
    return replace(head, dtype=dtype, scale=tuple(float(s) for s in scale.ravel()), axis=axis)
