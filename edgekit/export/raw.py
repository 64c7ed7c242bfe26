"""Any other graph: its outputs stay as they are, named arrays that nothing decodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import onnx

from edgekit.errors import ModelError
from edgekit.export.extract_heads import NCHW_TO_NHWC
from edgekit.export.flat_products import Maps, flat_maps, prove_maps
from edgekit.export.head_match import HeadMatch, Outputs, float_input, tool_versions
from edgekit.export.metadata import Metadata
from edgekit.graph.onnx_graph import GraphIndex, attributes, declared_shape, extract, graph_inputs, open_session
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess

CONTROL_FLOW = ("If", "Loop", "Scan")
MAX_OUTPUTS = 32  # of the vendor's tool


def cut_raw(
    index: GraphIndex,
    metadata: Metadata,
    size_wh: tuple[int, int],
    *,
    chosen: Collection[str] = (),
    inputs: Sequence[InputSpec] = (),
) -> HeadMatch:
    """Describe the outputs of a graph, or the tensors `chosen` instead, without a meaning.

    `inputs` are those of a graph that takes several, or other things than an image, in the graph's order. Matrix
    products of flattened maps become convolutions; the cut proves the outputs equal.

    Raises:
        ModelError: An output is no float tensor of a fixed shape, there are too many, or a tensor does not exist.
    """
    names = list(chosen) or index.output_names
    if unknown := [name for name in names if name not in index.producers]:
        raise ModelError(
            f"the graph has no tensor {unknown[0]!r}",
            hint="give names of tensors as Netron shows them: a node's output, not the node itself",
        )
    if len(names) > MAX_OUTPUTS:
        raise ModelError(
            f"the graph has {len(names)} outputs, expected at most {MAX_OUTPUTS}: the board's limit",
            hint="name those that you need: edgekit cut --task raw --outputs NAME,NAME",
        )
    maps = flat_maps(index)
    flat = _flattened(maps, names)
    if flat:
        prove_maps(index, maps.model, flat)
    tensors = {name: flat.get(name) or _in_front_of_transpose(name, index) for name in names}
    shapes = _output_shapes(maps.model, tensors.values())
    outputs: Outputs = {name: (tensor, shapes[tensor]) for name, tensor in tensors.items()}
    first, preprocess, more = _sorted_inputs(inputs) if inputs else (float_input(index), Preprocess(*size_wh), ())
    spec = ModelSpec(
        task="raw",
        names=(),
        input=first,
        preprocess=preprocess,
        more_inputs=more,
        outputs=tuple(HeadSpec(name, "raw", nhwc(shape)) for name, (_, shape) in outputs.items()),
        family=metadata.family,
        tools=tool_versions(),
    )
    return HeadMatch(maps.model, spec, outputs)


def _sorted_inputs(inputs: Sequence[InputSpec]) -> tuple[InputSpec, Preprocess, tuple[InputSpec, ...]]:
    """The first image (else the first input), how images become it, and the other inputs in their order."""
    first = next((item for item in inputs if item.is_image), inputs[0])
    preprocess = Preprocess(*first.size_wh) if first.is_image else Preprocess(1, 1)
    return first, preprocess, tuple(item for item in inputs if item is not first)


def refuse_control_flow(model: onnx.ModelProto) -> None:
    """Raise ModelError naming the first node that runs a graph of its own: branches and loops."""
    for node in model.graph.node:
        if node.op_type in CONTROL_FLOW:
            raise ModelError(
                f"node {node.name or node.output[0]!r} is {node.op_type}, a branch or loop inside the graph, "
                "expected a graph without: the BPU runs every node once",
                hint="export the model with that part unrolled, or without it (for a detector: without its NMS)",
            )


def nhwc(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an output as the board gives it: channels last where it has four axes."""
    return (shape[0], shape[2], shape[3], shape[1]) if len(shape) == 4 else shape


def _flattened(maps: Maps, names: Iterable[str]) -> dict[str, str]:
    """Read flat outputs off their maps, so that no product is left in front of them; output -> its new tensor."""
    flat = {}
    for name in names:
        if name in maps.of and len(maps.shapes.get(name, ())) == 2:
            flat[name] = maps.unused(f"{name}_flat")
            node = onnx.helper.make_node("Flatten", [maps.of[name]], [flat[name]], flat[name], axis=1)
            maps.model.graph.node.append(node)
    return flat


def _in_front_of_transpose(name: str, index: GraphIndex) -> str:
    """What stands in front of a Transpose to NHWC, since the cut adds its own; else the output itself."""
    node = index.producers.get(name)
    if node is not None and node.op_type == "Transpose" and tuple(attributes(node).get("perm", ())) == NCHW_TO_NHWC:
        return str(node.input[0])
    return name


def _output_shapes(model: onnx.ModelProto, tensors: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The shapes of the outputs, found by running the graph once on zeros."""
    names = list(dict.fromkeys(tensors))
    probe = extract(model, {}, names)
    feeds = {value.name: np.zeros(declared_shape(value), np.float32) for value in graph_inputs(probe)}
    values = open_session(probe)(feeds)
    for name, value in values.items():
        if value.dtype != np.float32 or value.size == 0 or value.ndim == 0 or value.shape[0] != 1:
            raise ModelError(
                f"output {name!r} is {value.dtype} {value.shape}, expected float32 with a batch of 1 first",
                hint="name the tensor in front of it instead: edgekit cut --task raw --outputs TENSOR",
            )
    return {name: tuple(value.shape) for name, value in values.items()}
