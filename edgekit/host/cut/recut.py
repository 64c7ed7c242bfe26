"""Graphs that were cut already, by edgekit or by others, in any order and layout seen in the field."""

from __future__ import annotations

import onnx

from edgekit.decode.families import FAMILIES
from edgekit.decode.roles import infer_roles, task_of_heads
from edgekit.errors import ModelError
from edgekit.host.cut.metadata import Metadata, class_names
from edgekit.host.cut.prepare import INPUT_KINDS
from edgekit.host.cut.reroot import NCHW_TO_NHWC
from edgekit.host.graph import GraphIndex, attributes, declared_shape, graph_inputs, tensor_shapes
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess
from edgekit.version import __version__

PASSING_OPS = ("Identity", "Transpose", "Reshape", "Cast")  # between a convolution and its output, values unchanged


def is_cut(index: GraphIndex) -> bool:
    """Whether the graph ends in feature maps alone: every output is of rank 4."""
    outputs = index.model.graph.output
    return all(len(o.type.tensor_type.shape.dim) == 4 for o in outputs)


def head_tensors(
    index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int], known: ModelSpec | None = None
) -> tuple[dict[str, str], ModelSpec]:
    """Per output the NCHW tensor behind it, and the sidecar of the graph as it stands (shapes NHWC).

    known: a sidecar that came with the graph; it must name its outputs. Raises ModelError where it does not, or
    where names and shapes leave more than one reading.
    """
    tensors = {name: _nchw_tensor(index, name) for name in index.output_names}
    shapes = tensor_shapes(index.model, dict.fromkeys(tensors.values()), (1, 3, size_wh[1], size_wh[0]))
    nhwc = {name: _to_nhwc(name, shapes[tensor]) for name, tensor in tensors.items()}
    if known is not None:
        return tensors, _confirmed(known, nhwc)
    aliases = {name: f"{name} {maker_names(index, name)}" for name in tensors}
    heads = infer_roles(
        list(nhwc.items()),
        size_wh,
        aliases=aliases,
        num_classes=len(metadata.names) or None,
        task=metadata.task,
    )
    return tensors, heads_spec(heads, metadata, index, size_wh)


def maker_names(index: GraphIndex, tensor: str) -> str:
    """The names of the convolution that makes `tensor`, of its weights too: what modules were called."""
    names: list[str] = []
    node = index.producers.get(tensor)
    while node is not None:
        names += [node.name, *(i for i in node.input if i in index.constants)]
        if node.op_type not in PASSING_OPS and not (node.op_type == "Mul" and "proto" in node.name):
            break
        node = index.producers.get(node.input[0])
    return " ".join(names)


def heads_spec(
    heads: tuple[HeadSpec, ...], metadata: Metadata, index: GraphIndex, size_wh: tuple[int, int]
) -> ModelSpec:
    """The sidecar of heads whose file brings little else; what is assumed is said in its notes."""
    value = graph_inputs(index.model)[0]
    task = task_of_heads(heads)
    if metadata.task and metadata.task != task:
        raise ModelError(
            f"metadata task {metadata.task!r}, but the outputs are those of {task!r}", hint="cut the stock ONNX again"
        )
    family, names, notes = assumed(heads, metadata)
    return ModelSpec(
        task=task,
        names=names,
        input=InputSpec(value.name, INPUT_KINDS[declared_shape(value)[1]], "NCHW"),
        preprocess=Preprocess(*size_wh),
        outputs=heads,
        stage="heads",
        family=family,
        reg_max=next((h.channels // 4 for h in heads if h.role == "box"), 1),
        keypoint_shape=keypoint_shape(heads, metadata),
        tools={"edgekit": __version__, "onnx": onnx.__version__},
        notes=notes,
    )


def assumed(heads: tuple[HeadSpec, ...], metadata: Metadata) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Family and class names, from the metadata where it has them; and notes of what was assumed."""
    notes = []
    family = metadata.family if metadata.family in FAMILIES else ""
    if not family:
        family = "yolo26" if any(h.role == "box" and h.channels == 4 for h in heads) else "yolov8"
        notes.append(f"the file does not name its family; its heads are decoded as {family}'s")
    num_classes = next((h.channels for h in heads if h.role == "class"), 0)
    if any(h.role == "object" for h in heads):
        raise ModelError(
            "heads of anchor boxes (YOLOv5) without a sidecar, expected their anchors to be known",
            hint="cut the stock ONNX: its constants hold the anchors",
        )
    names, name_notes = class_names(metadata, num_classes)
    return family, names, (*notes, *name_notes)


def keypoint_shape(heads: tuple[HeadSpec, ...], metadata: Metadata) -> tuple[int, ...]:
    """(points, dims) of key point heads; empty for other heads."""
    channels = next((h.channels for h in heads if h.role == "keypoint"), 0)
    if not channels:
        return ()
    shape = metadata.keypoint_shape or ((channels // 3, 3) if channels % 3 == 0 else (channels // 2, 2))
    if shape[0] * shape[1] != channels:
        raise ModelError(
            f"key points {list(shape)} need {shape[0] * shape[1]} channels, but the outputs have {channels}",
            hint="mend kpt_shape in the metadata, or cut the stock ONNX again",
        )
    return tuple(shape)


def _confirmed(known: ModelSpec, nhwc: dict[str, tuple[int, ...]]) -> ModelSpec:
    stated = {head.name: head.shape for head in known.outputs}
    if stated != nhwc:
        wrong = sorted(set(stated.items()) ^ set(nhwc.items()))[0]
        raise ModelError(
            f"the sidecar contradicts the graph at output {wrong[0]!r} {wrong[1]}",
            hint="remove the sidecar, or put the right one beside the model",
        )
    return known


def _nchw_tensor(index: GraphIndex, output: str) -> str:
    """The tensor before the Transpose to NHWC, or the output itself where it is NCHW."""
    node = index.producers.get(output)
    if node is not None and node.op_type == "Transpose" and tuple(attributes(node).get("perm", ())) == NCHW_TO_NHWC:
        return str(node.input[0])
    return output


def _to_nhwc(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 4:
        raise ModelError(f"output {name!r} is {shape}, expected (1, channels, h, w)", hint="cut the stock ONNX again")
    return (shape[0], shape[2], shape[3], shape[1])
