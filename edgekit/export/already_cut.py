"""Graphs that were cut already, by edgekit or by others, in any order and layout seen in the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from edgekit.decode.families import FAMILIES
from edgekit.decode.roles import infer_roles, task_of_heads
from edgekit.decode.tasks import TASKS
from edgekit.errors import ModelError
from edgekit.export.extract_heads import NCHW_TO_NHWC
from edgekit.export.head_match import HeadMatch, Outputs, float_input, tool_versions
from edgekit.export.metadata import Metadata, class_names, read_metadata
from edgekit.graph.onnx_graph import GraphIndex, attributes, declared_shape, tensor_shapes
from edgekit.spec import DepthFormula, HeadSpec, ModelSpec, Preprocess

Anchors = tuple[tuple[tuple[float, float], ...], ...]

ULTRALYTICS_DEPTH = DepthFormula("exp", low=math.exp(-4), high=math.exp(5), align_corners=True)  # logarithms of metres
PASSING_OPS = ("Identity", "Transpose", "Reshape", "Cast")  # between a convolution and its output, values unchanged


def is_cut(index: GraphIndex) -> bool:
    """Whether the graph ends in feature maps alone: several outputs, all of rank 4, or one that is pooled."""
    shapes = [declared_shape(output) for output in index.model.graph.output]
    pooled = len(shapes) == 1 and shapes[0].count(1) >= 3  # a classifier's: batch, height and width
    return all(len(shape) == 4 for shape in shapes) and (len(shapes) > 1 or pooled or _is_cut_map(index))


def _is_cut_map(index: GraphIndex) -> bool:
    """Whether the graph of a task of maps ends in its convolution, as it is or turned to NHWC."""
    if len(index.output_names) != 1:
        return False
    task = TASKS.get(read_metadata(index.model).task)
    node = index.producers.get(_nchw_tensor(index, index.output_names[0]))
    return task is not None and task.map_role is not None and node is not None and node.op_type == "Conv"


def cut_again(
    index: GraphIndex,
    metadata: Metadata,
    size_wh: tuple[int, int],
    *,
    known: ModelSpec | None = None,
    chosen: Mapping[str, str] | None = None,
) -> HeadMatch:
    """The heads of a graph that is cut already, or (chosen) those that an expert names; given edgekit's names.

    For the arguments see `head_tensors`.
    """
    if chosen is None and known is not None and known.stage != "heads":
        known = None
    tensors, spec = head_tensors(index, metadata, size_wh, known, chosen)
    outputs: Outputs = {}
    heads = []
    for head in sorted(spec.outputs, key=lambda h: (h.role == "proto", h.stride)):
        name = head.role if head.role == "proto" or not head.stride else f"{head.role}_{head.stride}"
        _, h, w, c = head.shape
        outputs[name] = (tensors[head.name], (1, c, h, w))
        heads.append(replace(head, name=name))
    spec = replace(spec, outputs=tuple(heads))
    if chosen is None:
        return HeadMatch(index.model, spec, outputs)
    note = "the heads were named by hand; that edgekit decodes them as the model did is not proven"
    return HeadMatch(index.model, replace(spec, notes=(*spec.notes, note)), outputs, ("all behind the named tensors",))


def head_tensors(
    index: GraphIndex,
    metadata: Metadata,
    size_wh: tuple[int, int],
    known: ModelSpec | None = None,
    chosen: Mapping[str, str] | None = None,
) -> tuple[dict[str, str], ModelSpec]:
    """Per head the NCHW tensor behind it, and the sidecar of the heads as they stand (shapes NHWC).

    chosen: tensors to take for heads instead of the outputs, each with its role or "". known: a sidecar that came
    with the graph; it must name its outputs. Raises ModelError where it does not, or where names and shapes leave
    more than one reading.
    """
    requested = chosen if chosen is not None else dict.fromkeys(index.output_names, "")
    if unknown := sorted(set(requested) - set(index.producers)):
        raise ModelError(
            f"the graph has no tensor {unknown[0]!r}",
            hint="give names of tensors as Netron shows them: a node's output, not the node itself",
        )
    tensors = {name: _nchw_tensor(index, name) for name in requested}
    shapes = tensor_shapes(index.model, dict.fromkeys(tensors.values()), (1, 3, size_wh[1], size_wh[0]))
    nhwc = {name: _to_nhwc(name, shapes[tensor]) for name, tensor in tensors.items()}
    if known is not None and chosen is None:
        return tensors, _confirmed(known, nhwc)
    aliases = {
        name: _role_name(role, nhwc[name], size_wh) or maker_names(index, name) for name, role in requested.items()
    }
    heads = infer_roles(
        list(nhwc.items()),
        size_wh,
        aliases=aliases,
        num_classes=len(metadata.names) or None,
        task=metadata.task,
        names=chosen is None,
    )
    return tensors, heads_spec(heads, metadata, index, size_wh, anchors=known.anchors if known else ())


def _role_name(role: str, shape: tuple[int, ...], size_wh: tuple[int, int]) -> str:
    """A role as the name that edgekit gives such an output, which `infer_roles` understands."""
    if not role:
        return ""
    return role if role == "proto" else f"{role}_{size_wh[0] // max(shape[2], 1)}"


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
    heads: tuple[HeadSpec, ...],
    metadata: Metadata,
    index: GraphIndex,
    size_wh: tuple[int, int],
    *,
    anchors: Anchors = (),
) -> ModelSpec:
    """The sidecar of heads whose file brings little else; what is assumed is said in its notes."""
    task = task_of_heads(heads)
    if metadata.task and metadata.task != task:
        raise ModelError(
            f"metadata task {metadata.task!r}, but the outputs are those of {task!r}", hint="cut the stock ONNX again"
        )
    family, names, notes = assumed(heads, metadata, anchors)
    return ModelSpec(
        task=task,
        names=names,
        input=float_input(index),
        preprocess=Preprocess(*size_wh, fit="crop" if task == "classify" else "pad"),
        outputs=heads,
        stage="heads",
        family=family,
        reg_max=next((h.channels // 4 for h in heads if h.role == "box"), 1),
        anchors=anchors if any(h.role == "object" for h in heads) else (),
        keypoint_shape=keypoint_shape(heads, metadata),
        depth=ULTRALYTICS_DEPTH if task == "depth" else None,
        tools=tool_versions(),
        notes=notes,
    )


def assumed(
    heads: tuple[HeadSpec, ...], metadata: Metadata, anchors: Anchors = ()
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Family and class names, from the metadata where it has them; and notes of what was assumed."""
    if any(h.role == "object" for h in heads):
        return _assumed_anchored(heads, metadata, anchors)
    notes = []
    family = metadata.family if metadata.family in FAMILIES else ""
    if not family:
        family = "yolo26" if any(h.role == "box" and h.channels == 4 for h in heads) else "yolov8"
        notes.append(f"the file does not name its family; its heads are decoded as {family}'s")
    if any(h.role == "depth" for h in heads):
        notes.append("how depths follow from the head's numbers is not said; taken for those of yolo26-depth")
        return family, metadata.names or ("depth",), tuple(notes)
    names, name_notes = class_names(metadata, next((h.channels for h in heads if h.role == "class"), 0))
    return family, names, (*notes, *name_notes)


def _assumed_anchored(
    heads: tuple[HeadSpec, ...], metadata: Metadata, anchors: Anchors
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """As `assumed` for YOLOv5, whose channels per anchor are 5 + classes + masks."""
    objects = [h for h in heads if h.role == "object"]
    if len(anchors) != len(objects):
        raise ModelError(
            f"heads of anchor boxes (YOLOv5) with anchors known for {len(anchors)} of {len(objects)} strides",
            hint="cut the stock ONNX, whose constants hold the anchors, or put them into a sidecar beside the model",
        )
    masks = next((h.channels for h in heads if h.role == "proto"), 0)
    names, notes = class_names(metadata, objects[0].channels // len(anchors[0]) - 5 - masks)
    return "yolov5", names, notes


def keypoint_shape(heads: tuple[HeadSpec, ...], metadata: Metadata) -> tuple[int, ...]:
    """(points, dims) of key point heads; empty for other heads."""
    channels = next((h.channels for h in heads if h.role == "keypoint"), 0)
    if not channels:
        return ()
    shape = metadata.keypoint_shape or ((channels // 3, 3) if channels % 3 == 0 else (channels // 2, 2))
    if shape[0] * shape[1] != channels:
        raise ModelError(
            f"key points {list(shape)} need {shape[0] * shape[1]} channels, but the outputs have {channels}",
            hint="fix kpt_shape in the metadata, or cut the stock ONNX again",
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
