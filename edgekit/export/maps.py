"""Maps: the last convolution of a semantic segmentation or depth model, and the proof that edgekit decodes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgekit.decode.decoder import Decoder
from edgekit.decode.plan import DecodeOptions
from edgekit.decode.tasks import TASKS
from edgekit.errors import ModelError
from edgekit.export.depth_formula import formulas_of
from edgekit.export.head_location import last_convolutions
from edgekit.export.head_match import HeadMatch, float_input, tool_versions
from edgekit.export.metadata import Metadata, class_names
from edgekit.graph.onnx_graph import GraphIndex, extract, graph_inputs, open_session, tensor_shapes
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.pixel_grid import interpolate_cells
from edgekit.results import DepthMap, SemanticMap
from edgekit.spec import DepthFormula, HeadSpec, ModelSpec, Preprocess, TaskName

MAP_TASKS: tuple[TaskName, ...] = tuple(task.name for task in TASKS.values() if task.map_role)
TIE = 1e-4  # of the logits' spread: two classes so near to each other are a matter of rounding
TOLERANCE = 1e-3  # of a depth, relative: onnxruntime rounds positions to float32, wrong formulas miss by far more
SEED = 11
HINT = "give the export that Ultralytics wrote; for any other graph: edgekit cut --task raw"
Floats = npt.NDArray[np.float32]
RunTail = Callable[[Floats], npt.NDArray[np.generic]]


def cut_map(index: GraphIndex, metadata: Metadata, size_wh: tuple[int, int], task: TaskName) -> HeadMatch:
    """The one head of a graph that gives every pixel a class or a depth; its decoding is proven on noise.

    Args:
        index: The graph.
        metadata: What it says of itself.
        size_wh: Of its input.
        task: "semantic" or "depth".

    Raises:
        ModelError: The graph has no single last convolution, or gives other maps than edgekit decodes from it.
    """
    tensor, shape = _map_head(index, size_wh)
    stride, role = size_wh[0] // shape[3], TASKS[task].map_role
    assert role is not None
    names, notes = (metadata.names or (task,), ()) if task == "depth" else class_names(metadata, shape[1])
    name = f"{role}_{stride}"
    spec = ModelSpec(
        task=task,
        names=names,
        input=float_input(index),
        preprocess=Preprocess(*size_wh),
        outputs=(HeadSpec(name, role, (1, shape[2], shape[3], shape[1]), stride),),
        family=metadata.family,
        depth=DepthFormula() if task == "depth" else None,
        tools=tool_versions(),
        notes=notes,
    )
    run_tail = open_map_tail(index, tensor, shape)
    prove = {"semantic": _prove_classes, "depth": _prove_depths}[task]
    spec = prove(spec, run_tail)
    behind = len(index.model.graph.node) - len(extract(index.model, {}, [tensor]).graph.node)
    what = {"semantic": "upsampling and argmax", "depth": "the activation and upsampling"}[task]
    return HeadMatch(index.model, spec, {name: (tensor, shape)}, (f"{behind} nodes of decoding ({what})",))


def _map_head(index: GraphIndex, size_wh: tuple[int, int]) -> tuple[str, tuple[int, ...]]:
    """The tensor and shape (1, c, h, w) of the last convolution."""
    if len(index.output_names) != 1:
        raise _no_map(f"{len(index.output_names)} outputs ({', '.join(index.output_names)}), expected one map")
    tensors = sorted(last_convolutions(index, index.output_names[0]), key=index.order.__getitem__)
    if len(tensors) != 1:
        raise _no_map(f"{len(tensors)} last convolutions ({', '.join(tensors[:4]) or 'none'}), expected one")
    shape = tensor_shapes(index.model, tensors, (1, 3, size_wh[1], size_wh[0]))[tensors[0]]
    if len(shape) != 4 or size_wh[0] % shape[3] or (shape[2] * (size_wh[0] // shape[3])) != size_wh[1]:
        raise _no_map(f"the last convolution {tensors[0]!r} gives {shape}, which is no grid of the input")
    return tensors[0], shape


def open_map_tail(index: GraphIndex, tensor: str, shape: tuple[int, ...]) -> RunTail:
    """Return what follows the head as a function of the map (1, c, h, w) to the graph's output."""
    piece = extract(index.model, {tensor: shape}, index.output_names)
    if foreign := [i.name for i in graph_inputs(piece) if i.name != tensor]:
        raise _no_map(f"an output that depends on {', '.join(foreign)} beside the last convolution")
    for output in piece.graph.output:
        output.ClearField("type")
    run = open_session(piece)
    return lambda values: run({tensor: values})[index.output_names[0]]


def _noise(spec: ModelSpec, spread: float) -> Floats:
    """A map (1, h, w, c) that varies from cell to cell, so that interpolation shows."""
    shape = spec.outputs[0].shape
    return np.random.default_rng(SEED).normal(0, spread, shape).astype(np.float32)


def _decoded(spec: ModelSpec, values: Floats) -> SemanticMap | DepthMap:
    """Decode a map as for an image of the input's size."""
    same = Letterbox(spec.preprocess.size_wh, spec.preprocess.size_wh, spec.preprocess.size_wh, 0, 0)
    results = Decoder(spec, DecodeOptions(full_size=True), compiled=False)({spec.outputs[0].name: values}, same)
    assert isinstance(results, SemanticMap | DepthMap)
    return results


def _prove_classes(spec: ModelSpec, run_tail: RunTail) -> ModelSpec:
    """Hold the decoded classes of noise against the graph's; only ties within rounding may differ."""
    values = _noise(spec, 2.0)
    theirs = _as_classes(run_tail(np.ascontiguousarray(values.transpose(0, 3, 1, 2))), spec)
    results = _decoded(spec, values)
    assert isinstance(results, SemanticMap)
    ours = results.class_map
    differs = ours != theirs
    if differs.any():
        planes = {int(c): interpolate_cells(values[0, ..., int(c)], _same(spec)) for c in np.unique(ours[differs])}
        planes |= {int(c): interpolate_cells(values[0, ..., int(c)], _same(spec)) for c in np.unique(theirs[differs])}
        y, x = np.nonzero(differs)
        gaps = [abs(planes[int(ours[p])][p] - planes[int(theirs[p])][p]) for p in zip(y, x, strict=True)]
        if max(gaps) > TIE:
            raise _no_map(
                f"another class than edgekit decodes at {np.count_nonzero(np.asarray(gaps) > TIE)} of {ours.size} "
                "pixels of noise"
            )
    return spec


def _as_classes(output: npt.NDArray[np.generic], spec: ModelSpec) -> npt.NDArray[np.generic]:
    """The graph's class of every pixel (h, w): its ids as they are, or the largest of its scores."""
    width, height = spec.preprocess.size_wh
    if output.shape in ((1, height, width), (1, 1, height, width)) and spec.num_classes > 1:
        return output.reshape(height, width).astype(np.int64)
    if output.shape == (1, spec.num_classes, height, width):
        return np.asarray(output[0].argmax(axis=0))
    raise _no_map(f"an output {output.shape}, expected (1, {height}, {width}) or (1, {spec.num_classes}, ...)")


def _prove_depths(spec: ModelSpec, run_tail: RunTail) -> ModelSpec:
    """The sidecar with the formula that gives the graph's depths on noise; raises ModelError where none does."""
    _, h, w, _ = spec.outputs[0].shape
    width, height = spec.preprocess.size_wh

    def tail(cells: Floats) -> Floats:
        output = run_tail(cells.reshape(1, 1, h, w))
        if output.size != width * height:
            raise _no_map(f"an output {output.shape}, expected one depth for each of {width}x{height} pixels")
        return np.asarray(output, np.float32).reshape(height, width)

    noise = _noise(spec, 1.0)
    theirs, closest = tail(noise[0, ..., 0]), np.inf
    smallest = max(1e-6, 0.01 * float(np.abs(theirs).mean()))
    for formula in formulas_of(lambda value: float(tail(np.full((h, w), value, np.float32))[h // 2, w // 2])):
        candidate = replace(spec, depth=formula)
        results = _decoded(candidate, noise)
        assert isinstance(results, DepthMap)
        apart = float(np.max(np.abs(results.depth - theirs) / np.maximum(np.abs(theirs), smallest)))
        if apart <= TOLERANCE:
            return candidate
        closest = min(closest, apart)
    raise _no_map(f"depths that no formula of edgekit gives (the nearest differs by {closest:.2g}, relative)")


def _same(spec: ModelSpec) -> Letterbox:
    size = spec.preprocess.size_wh
    return Letterbox(size, size, size, 0, 0)


def _no_map(actual: str) -> ModelError:
    return ModelError(f"this ONNX gives no map of classes or depths that edgekit decodes: it has {actual}", hint=HINT)
