"""From what a user feeds (pixels, NV12) to what the graph takes (integers around 0)."""

from __future__ import annotations

import numpy as np

from edgekit.bpu import INPUT_TYPES
from edgekit.errors import ImageError, ModelError
from edgekit.ops.yuv import nv12_to_yuv444
from edgekit.sim.graph import Graph
from edgekit.sim.tensor import TensorType
from edgekit.spec import InputKind


def graph_input_kind(graph: Graph) -> InputKind:
    """The kind of image that the graph's (first) input takes."""
    return next(iter(graph_input_kinds(graph).values()))


def graph_input_kinds(graph: Graph) -> dict[str, InputKind]:
    """The kind of image that each input takes, by name: what the nodes that read it say, else "featuremap"."""
    return {name: _input_kind(graph, name) for name in graph.inputs}


def _input_kind(graph: Graph, name: str) -> InputKind:
    if graph.inputs[name].dtype == np.float32:
        return "featuremap"
    readers = list(graph.consumers.get(name, ()))
    behind = [node for reader in readers for node in graph.consumers.get(reader.outputs[0], ())]  # of a Transpose
    types = [node.attributes["input_type"] for node in (*readers, *behind) if "input_type" in node.attributes]
    return INPUT_TYPES.get(types[0], ("nv12", "full"))[0] if types else "featuremap"


def input_size_hw(expected: TensorType) -> tuple[int, int]:
    """Height and width of an image input, whichever way its channels lie."""
    _, first, second, third = expected.shape
    return (first, second) if third in (1, 3) else (second, third)


def graph_input(value: np.ndarray, expected: TensorType, name: str) -> np.ndarray:
    """`value` as the graph takes it, its first axis a multiple of the graph's batch.

    Accepted: the graph's own dtype and shape; uint8 pixels of that shape; for a YUV input also NV12 as flat
    uint8 (H*W*3/2,), (N, H*W*3/2) or as long, one behind the other. Raises ModelError for anything else.
    """
    value = np.asarray(value)
    if expected.dtype == np.int8 and value.dtype == np.uint8:
        pixels = _yuv444(value, expected, name) if _is_nv12(value, expected) else value
        value = (pixels ^ np.uint8(0x80)).view(np.int8)
    fits = value.dtype == expected.dtype and value.shape[1:] == expected.shape[1:]
    if not fits or value.shape[0] == 0 or value.shape[0] % expected.shape[0]:
        raise ModelError(
            f"input {name!r} is {value.dtype}{list(value.shape)}, expected {_expected_text(expected)}",
            hint="prepare the input as the model's sidecar says",
        )
    return value


def _is_nv12(value: np.ndarray, expected: TensorType) -> bool:
    return value.ndim in (1, 2) and value.size > 0 and len(expected.shape) == 4 and expected.shape[3] == 3


def _yuv444(value: np.ndarray, expected: TensorType, name: str) -> np.ndarray:
    height, width = expected.shape[1:3]
    length = height * width * 3 // 2
    frames = value.reshape(-1, length if value.ndim == 1 and value.size % length == 0 else value.shape[-1])
    try:
        return np.stack([nv12_to_yuv444(frame, (width, height)) for frame in frames])
    except ImageError as error:
        raise ModelError(f"input {name!r}: {error.message}", hint=error.hint) from error


def _expected_text(expected: TensorType) -> str:
    if expected.dtype != np.int8:
        return str(expected)
    shape = list(expected.shape)
    flat = f", or NV12 as uint8[{shape[1] * shape[2] * 3 // 2}]" if len(shape) == 4 and shape[3] == 3 else ""
    return f"uint8{shape}{flat}"
